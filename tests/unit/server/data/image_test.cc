#include "server/data/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cmath>

#include "server/data/resize.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::HasSubstr;

std::vector<uint8_t> Decode(const std::string& bytes, const View& view) {
  std::vector<uint8_t> canvas(size_t{3} * view.size * view.size);
  const auto size = DecodeToCanvas(bytes, view, canvas.data());
  EXPECT_TRUE(size.ok()) << size.status();
  return canvas;
}

TEST(Resize, KeepsAFlatImageFlat) {
  const std::vector<uint8_t> source(size_t{3} * 37 * 53, 200);
  std::vector<uint8_t> out(size_t{3} * 16 * 16);
  Resize(source.data(), 37, 53, {3.5, 2.25, 30, 30}, 16, out.data());
  for (const uint8_t value : out) ASSERT_EQ(value, 200);
}

TEST(Resize, IsTheIdentityAtTheSameSize) {
  std::vector<uint8_t> source(size_t{3} * 8 * 8);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<uint8_t>(i * 37);
  std::vector<uint8_t> out(source.size());
  Resize(source.data(), 8, 8, {0, 0, 8, 8}, 8, out.data());
  EXPECT_EQ(out, source);
}

TEST(Resize, AveragesWhatIsFinerThanThePixels) {
  // Stripes of one pixel must become grey, not stripes of another width.
  std::vector<uint8_t> source(size_t{3} * 64 * 64);
  for (size_t i = 0; i < source.size(); ++i) source[i] = i / 3 % 2 == 0 ? 0 : 255;
  std::vector<uint8_t> out(size_t{3} * 16 * 16);
  Resize(source.data(), 64, 64, {0, 0, 64, 64}, 16, out.data());
  for (int x = 1; x < 15; ++x) EXPECT_NEAR(out[size_t{3} * (8 * 16 + x)], 127, 6) << x;
}

// The centre of a canvas with a margin is the canvas without one; the margin ends with the image.
TEST(DecodeToCanvas, AMarginChangesNothingWithinIt) {
  constexpr int kSize = 32;
  EXPECT_EQ(CanvasSize({0.5, kSize, 1.0}), kSize);
  EXPECT_EQ(CanvasSize({0.5, kSize, 1.5}), 48);
  EXPECT_EQ(CanvasSize({0.8, kSize, 1.5}), 40);
  EXPECT_EQ(CanvasSize({1.0, kSize, 2.0}), kSize);
  EXPECT_EQ(CanvasSize({0.5, 33, 1.5}), 49);
  const std::string jpeg = MakeJpeg(200, 200);
  for (const double crop : {0.5, 0.8}) {
    const View view{crop, kSize, 1.5};
    const int side = CanvasSize(view), margin = (side - kSize) / 2;
    std::vector<uint8_t> canvas(size_t{3} * side * side);
    ASSERT_TRUE(DecodeToCanvas(jpeg, view, canvas.data()).ok());
    const auto plain = Decode(jpeg, {crop, kSize});
    for (int y = 0; y < kSize; ++y) {
      for (int i = 0; i < 3 * kSize; ++i) {
        // Positions may differ in the last bit, so a half may be rounded the other way.
        ASSERT_NEAR(plain[size_t{3} * y * kSize + i],
                    canvas[size_t{3} * ((y + margin) * side + margin) + i], 1);
      }
    }
  }
}

// A slope stays where it is when an image is cut and scaled, at every scale of the decoder.
TEST(DecodeToCanvas, CutsTheCentreAtEveryScale) {
  for (const int side : {64, 200, 424, 1000}) {
    for (const double crop : {1.0, 0.5}) {
      const auto canvas = Decode(MakeJpeg(side, side), {crop, 32});
      for (const int x : {4, 16, 27}) {
        const double fraction = 0.5 + ((x + 0.5) / 32 - 0.5) * crop;
        EXPECT_NEAR(canvas[size_t{3} * (16 * 32 + x) + 1], 255 * fraction, 6)
            << side << " " << crop << " " << x;
        EXPECT_NEAR(canvas[size_t{3} * (x * 32 + 16) + 2], 255 * fraction, 6)
            << side << " " << crop << " " << x;
      }
    }
  }
}

TEST(DecodeToCanvas, KeepsTheShapeOfWhatIsNotSquare) {
  const auto canvas = Decode(MakeJpeg(300, 100), {1.0, 20});
  // Green is 255 * x / width: the central square spans a third of the width.
  EXPECT_NEAR(canvas[size_t{3} * (10 * 20) + 1], 255 * (1.0 / 3 + 0.5 / 60), 8);
  EXPECT_NEAR(canvas[size_t{3} * (10 * 20 + 19) + 1], 255 * (2.0 / 3 - 0.5 / 60), 8);
}

TEST(DecodeToCanvas, EnlargesSmallImages) {
  EXPECT_EQ(Decode(MakeJpeg(10, 10), {0.5, 64}).size(), size_t{3} * 64 * 64);
}

struct PngCase {
  const char* name;
  int type, bit_depth;
  uint8_t red;
};
class EveryPng : public testing::TestWithParam<PngCase> {};

TEST_P(EveryPng, BecomesEightBitRgb) {
  const PngCase& c = GetParam();
  const auto canvas = Decode(MakePng(24, 24, c.type, c.bit_depth), {1.0, 8});
  EXPECT_EQ(canvas[0], c.red);
  EXPECT_EQ(canvas[3 * 8 * 4 + 12], c.red);
}

INSTANTIATE_TEST_SUITE_P(Types, EveryPng,
                         testing::Values(PngCase{"Rgb8", PNG_COLOR_TYPE_RGB, 8, 0x40},
                                         PngCase{"Rgb16", PNG_COLOR_TYPE_RGB, 16, 0x40},
                                         PngCase{"Rgba8", PNG_COLOR_TYPE_RGBA, 8, 0x40},
                                         PngCase{"Grey8", PNG_COLOR_TYPE_GRAY, 8, 0x40},
                                         PngCase{"Grey16", PNG_COLOR_TYPE_GRAY, 16, 0x40},
                                         PngCase{"GreyAlpha8", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0x40},
                                         PngCase{"Palette8", PNG_COLOR_TYPE_PALETTE, 8, 10},
                                         PngCase{"Palette4", PNG_COLOR_TYPE_PALETTE, 4, 10}),
                         [](const auto& info) { return info.param.name; });

TEST(ReadImageSize, ReadsHeaders) {
  EXPECT_EQ(ReadImageSize(MakeJpeg(30, 20))->width, 30);
  EXPECT_EQ(ReadImageSize(MakePng(30, 20, PNG_COLOR_TYPE_RGB, 8))->height, 20);
}

TEST(DecodeToCanvas, EveryTruncationIsAnErrorAndNeverACrash) {
  std::vector<uint8_t> canvas(size_t{3} * 16 * 16);
  for (const std::string& whole : {MakeJpeg(64, 64), MakePng(64, 64, PNG_COLOR_TYPE_RGB, 8)}) {
    for (size_t size = 0; size + 12 < whole.size(); size += 7) {
      EXPECT_FALSE(DecodeToCanvas(whole.substr(0, size), {1.0, 16}, canvas.data()).ok()) << size;
    }
  }
}

TEST(DecodeToCanvas, SaysThatAJpegIsCutShort) {
  std::vector<uint8_t> canvas(size_t{3} * 16 * 16);
  const std::string whole = MakeJpeg(64, 64);
  const auto cut = whole.substr(0, whole.size() / 2);
  EXPECT_THAT(std::string(DecodeToCanvas(cut, {1.0, 16}, canvas.data()).status().message()),
              HasSubstr("premature end"));
  // With an end mark after half of the data, only decoding can tell.
  EXPECT_FALSE(DecodeToCanvas(cut + "\xff\xd9", {1.0, 16}, canvas.data()).ok());
}

TEST(DecodeToCanvas, DamageNeverCrashes) {
  std::vector<uint8_t> canvas(size_t{3} * 16 * 16);
  for (const std::string& whole : {MakeJpeg(48, 48), MakePng(48, 48, PNG_COLOR_TYPE_RGBA, 16)}) {
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      (void)DecodeToCanvas(damaged, {0.5, 16}, canvas.data());
    }
  }
}

TEST(CheckImageSize, BoundsSidesAndProportions) {
  EXPECT_TRUE(CheckImageSize(424, 424, 12000).ok());
  EXPECT_TRUE(CheckImageSize(16384, 16384, 30'000'000).ok());
  EXPECT_FALSE(CheckImageSize(16385, 1, 30'000'000).ok());
  EXPECT_FALSE(CheckImageSize(16384, 16384, 30'000).ok());
  EXPECT_FALSE(CheckImageSize(0, 10, 100).ok());
}

}  // namespace
}  // namespace skytrain::data
