// FITS: planes, cubes, one file a band; real ones where the machine has them, and what goes wrong.
#include <fitsio.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "server/data/dataset.h"
#include "server/data/image.h"
#include "server/data/stretch.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A FITS file of 32-bit numbers, `sides` with the fastest first.
std::string MakeFits(const std::vector<long>& sides,  // NOLINT: cfitsio's type.
                     const std::vector<float>& numbers) {
  size_t size = 2880;
  void* memory = std::malloc(size);
  fitsfile* file = nullptr;
  int status = 0;
  fits_create_memfile(&file, &memory, &size, 2880, std::realloc, &status);
  std::vector<long> lengths = sides;  // NOLINT: cfitsio's type.
  fits_create_img(file, FLOAT_IMG, static_cast<int>(sides.size()), lengths.data(), &status);
  std::vector<float> copy = numbers;
  fits_write_img(file, TFLOAT, 1, static_cast<LONGLONG>(copy.size()), copy.data(), &status);
  fits_flush_file(file, &status);
  LONGLONG begin = 0, data = 0, end = 0;
  fits_get_hduaddrll(file, &begin, &data, &end, &status);
  EXPECT_EQ(status, 0);
  std::string bytes(static_cast<char*>(memory), static_cast<size_t>(end));
  fits_close_file(file, &status);
  std::free(memory);
  return bytes;
}

std::vector<float> Flat(size_t count, float value) { return std::vector<float>(count, value); }

Stretch Linear(double low, double high) {
  Stretch stretch;
  stretch.kind = Stretch::Kind::kLinear;
  stretch.low = low;
  stretch.high = high;
  return stretch;
}

TEST(Fits, FirstRowIsAtTheBottomAndCubesGoFromTheLastPlaneToTheFirst) {
  std::vector<float> cube;
  for (int plane = 0; plane < 3; ++plane) {
    for (int i = 0; i < 64; ++i) cube.push_back(static_cast<float>(plane * 64 + i));
  }
  Pixels pixels;
  ASSERT_TRUE(DecodeFits(MakeFits({8, 8, 3}, cube), Linear(0, 255), pixels).ok());
  EXPECT_EQ(pixels.width, 8);
  // Upper left is the last row's first pixel: number 56 of each plane.
  EXPECT_THAT(std::vector<int>(pixels.rgb.begin(), pixels.rgb.begin() + 3),
              ElementsAre(128 + 56, 64 + 56, 56));
  EXPECT_EQ(pixels.rgb[3 * 56], 128);
  Stretch chosen = Linear(0, 255);
  chosen.bands = {"1"};
  ASSERT_TRUE(DecodeFits(MakeFits({8, 8, 3}, cube), chosen, pixels).ok());
  EXPECT_THAT(std::vector<int>(pixels.rgb.begin(), pixels.rgb.begin() + 3),
              ElementsAre(120, 120, 120));
  chosen.bands = {"5"};
  EXPECT_THAT(std::string(DecodeFits(MakeFits({8, 8, 3}, cube), chosen, pixels).message()),
              HasSubstr("has no plane \"5\"; it has planes 0 to 2"));
}

// Against the formula of astropy's make_lupton_rgb, worked by hand for one pixel.
TEST(Fits, AsinhIsLuptons) {
  std::vector<FluxPlane> bands{{0, 0, 9, 0, 0}, {0, 0, 6, 0, 0}, {0, 0, 3, 0, 0}};
  Stretch stretch;
  stretch.width = 5;
  Pixels pixels;
  pixels.width = 5;
  pixels.height = 1;
  ASSERT_TRUE(ApplyStretch(stretch, bands, pixels).ok());
  const double factor = 25.5 / std::asinh(0.8) * std::asinh(8 * 6.0 / 5) / 6;
  EXPECT_EQ(pixels.rgb[6], std::lround(factor * 9));
  EXPECT_EQ(pixels.rgb[7], std::lround(factor * 6));
  EXPECT_EQ(pixels.rgb[8], std::lround(factor * 3));
  // Too bright: scaled down together, so that the colour stays.
  bands = {{0, 0, 9e5, 0, 0}, {0, 0, 6e5, 0, 0}, {0, 0, 3e5, 0, 0}};
  ASSERT_TRUE(ApplyStretch(stretch, bands, pixels).ok());
  EXPECT_EQ(pixels.rgb[6], 255);
  EXPECT_EQ(pixels.rgb[7], 170);
  EXPECT_EQ(pixels.rgb[8], 85);
}

TEST(Fits, BackgroundIsTakenOffAndWhatIsNoNumberIsBackground) {
  std::vector<FluxPlane> bands{{976, 974, kNan, 978, 2000, 976, 976}};
  Pixels pixels;
  pixels.width = 7;
  pixels.height = 1;
  ASSERT_TRUE(ApplyStretch({}, bands, pixels).ok());
  EXPECT_EQ(pixels.rgb[0], 0);
  EXPECT_EQ(pixels.rgb[6], 0);
  EXPECT_GT(pixels.rgb[12], 100);
  EXPECT_EQ(pixels.undefined, 1);
  bands = {Flat(7, kNan)};
  EXPECT_THAT(std::string(ApplyStretch({}, bands, pixels).message()), HasSubstr("finite number"));
}

TEST(Fits, BandsOfAnObjectAreOneImage) {
  TempDir dir;
  const auto band = [](float value) { return MakeFits({16, 16}, Flat(256, value)); };
  std::vector<File> files;
  for (const char* object : {"star/1", "star/2", "galaxy/3", "galaxy/4.5"}) {
    files.push_back({absl::StrCat(object, "_gband.fits"), band(10), ""});
    files.push_back({absl::StrCat(object, "_rband.fits"), band(30), ""});
  }
  WriteFolder(dir.File("set"), files);
  WriteArchive(dir.File("set.tar"), files, Pack::kTar);
  WriteArchive(dir.File("set.zip"), files, Pack::kZip);
  for (const char* name : {"set", "set.tar", "set.zip"}) {
    OpenOptions options = OptionsFor(dir.File(name), dir.File("cache"));
    options.evaluation = true;
    options.classes = {"galaxy", "star"};
    auto* linear = options.data.mutable_image()->mutable_stretch()->mutable_linear();
    linear->set_low(0);
    linear->set_high(255);
    const auto set = OpenDataset(options);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_THAT((*set)->ids(), ElementsAre("3", "4.5", "1", "2"));
    EXPECT_THAT(std::vector<int>((*set)->pixels().begin(), (*set)->pixels().begin() + 3),
                ElementsAre(30, 20, 10));
    options.data.mutable_image()->mutable_stretch()->add_bands("g");
    const auto grey = OpenDataset(options);
    ASSERT_TRUE(grey.ok()) << grey.status();
    EXPECT_THAT(std::vector<int>((*grey)->pixels().begin(), (*grey)->pixels().begin() + 3),
                ElementsAre(10, 10, 10));
    options.data.mutable_image()->mutable_stretch()->add_bands("z");
    EXPECT_THAT(std::string(OpenDataset(options).status().message()),
                HasSubstr("no files of the band \"z\"; it has g, r"));
  }
  std::filesystem::remove(dir.File("set/star/2_rband.fits"));
  std::filesystem::resize_file(dir.File("set/galaxy/3_rband.fits"), 3000);
  const auto manifest = InspectDataset(OptionsFor(dir.File("set"), "").data, {}, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  ASSERT_EQ(manifest->problems_size(), 1);
  EXPECT_EQ(manifest->problems(0).kind(), "corrupt");
  EXPECT_THAT(manifest->problems(0).names(),
              testing::UnorderedElementsAre(HasSubstr("star/2.fits (it has no r band)"),
                                            HasSubstr("galaxy/3.fits: claims 16x16x1 pixels")));
}

TEST(Fits, WhatIsWrongIsSaid) {
  const std::string good = MakeFits({16, 16}, Flat(256, 1));
  const auto message = [](const std::string& bytes) {
    Pixels pixels;
    const auto size = ReadFitsSize(bytes);
    if (!size.ok()) return std::string(size.status().message());
    return std::string(DecodeFits(bytes, {}, pixels).message());
  };
  EXPECT_EQ(message(good), "");
  EXPECT_THAT(message(good.substr(0, 2880)), HasSubstr("cut short"));
  EXPECT_THAT(message(good.substr(0, 100)), HasSubstr("FITS"));
  EXPECT_THAT(message(MakeFits({16, 16, 3}, Flat(768, 1)).substr(0, 2880 + 1000)),
              HasSubstr("claims 16x16x3 pixels"));
  EXPECT_THAT(message(MakeFits({16}, Flat(16, 1))), HasSubstr("holds no image"));
  EXPECT_THAT(message(MakeFits({4, 4, 4, 2}, Flat(128, 1))), HasSubstr("4 dimensions"));
  std::string lying = good;
  const size_t at = lying.find("16", lying.find("NAXIS1"));
  lying.replace(at - 4, 6, "999999");
  EXPECT_THAT(message(lying), HasSubstr("allowed are 1 to"));
  EXPECT_THAT(message(MakeFits({16, 16}, Flat(256, kNan))), HasSubstr("finite number"));
}

TEST(Fits, RealFiles) {
  const std::string path = RealData("formats/fits");
  if (path.empty()) GTEST_SKIP() << "formats is not on this machine";
  TempDir dir;
  v1::Data data;
  data.mutable_files()->add_images(path);
  data.mutable_files()->set_table(path + "/Abell2670_catalogue_test.csv");
  data.mutable_files()->set_id("ID");
  const auto manifest = InspectDataset(data, ClassIn("type_morph"), {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  std::vector<std::string> problems;
  for (const auto& p : manifest->problems()) {
    problems.push_back(absl::StrCat(p.kind(), " ", p.count(), " ", p.names(0)));
  }
  EXPECT_EQ(manifest->count(), 4);
  EXPECT_EQ(manifest->min_width(), 256);
  EXPECT_THAT(problems,
              testing::UnorderedElementsAre("corrupt 1 731.fits (it has no r band)",
                                            "image_without_label 2 legacy_grz_162px.fits"));
  for (const auto& [name, side] : {std::pair("legacy_grz_162px", 162), {"legacy_grz_509px", 509}}) {
    std::ifstream file(absl::StrCat(path, "/", name, ".fits"), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    Pixels pixels;
    ASSERT_TRUE(DecodeFits(bytes, {}, pixels).ok()) << name;
    EXPECT_EQ(pixels.width, side);
    EXPECT_EQ(pixels.undefined, 0);
    // The galaxy is in the middle and the sky is dark.
    EXPECT_GT(pixels.rgb[3 * (side / 2 * side + side / 2)], 150);
    std::vector<uint8_t> sorted = pixels.rgb;
    std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
    EXPECT_LT(sorted[sorted.size() / 2], 30);
  }
  std::ifstream file(path + "/132_gband.fits", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  Pixels pixels;
  ASSERT_TRUE(DecodeFits(bytes, {}, pixels).ok());
  EXPECT_EQ(pixels.undefined, 7936);
}

}  // namespace
}  // namespace skytrain::data
