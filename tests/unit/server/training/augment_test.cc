#include "server/training/input/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "ATen/ATen.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"
#include "server/training/input/batch_stream.h"

namespace skytrain::training {
namespace {

constexpr PixelScale kIdentity = {{1.0F, 1.0F, 1.0F}, {0.0F, 0.0F, 0.0F}};

std::vector<uint8_t> RandomPixels(int images, int height, int width) {
  std::vector<uint8_t> pixels(static_cast<size_t>(images) * height * width * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 9);
  return pixels;
}

std::vector<float> Augmented(const ImageCanvas& canvas, const ImageChange& change,
                             const PixelScale& scale = kIdentity) {
  std::vector<float> out(static_cast<size_t>(canvas.size) * canvas.size * 3);
  AugmentImages(canvas, {0}, {change}, scale, out.data());
  return out;
}

double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max<double>(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

TEST(AugmentTest, TurnsAloneAreThePlainGatherBitForBit) {
  // Margins that are even, odd and none; sides that fill whole blocks of pixels and that do not.
  const struct {
    int height, width, size;
  } cases[] = {{16, 16, 16}, {21, 19, 16}, {96, 96, 64}, {45, 45, 33}};
  const PixelScale scale = MakePixelScale({{0.4, 0.3, 0.2}, {0.2, 0.25, 0.3}});
  for (const auto& test : cases) {
    const std::vector<uint8_t> pixels = RandomPixels(2, test.height, test.width);
    const ImageCanvas canvas{pixels.data(), test.height, test.width, test.size};
    for (int turn = 0; turn < 8; ++turn) {
      std::vector<float> plain(static_cast<size_t>(test.size) * test.size * 3), out(plain.size());
      GatherImages(canvas, {1}, {static_cast<Turn>(turn)}, scale, plain.data());
      AugmentImages(canvas, {1}, {ChangeOf({.turn = static_cast<Turn>(turn)}, canvas)}, scale,
                    out.data());
      EXPECT_EQ(out, plain) << test.size << " " << turn;
    }
  }
}

TEST(AugmentTest, NinetyDegreesAreAQuarterTurn) {
  const std::vector<uint8_t> pixels = RandomPixels(1, 32, 32);
  const ImageCanvas canvas{pixels.data(), 32, 32, 32};
  for (const Turn turn : {Turn{0}, kFlip}) {
    const auto turned = Augmented(canvas, ChangeOf({.turn = static_cast<Turn>(turn | 1)}, canvas));
    const auto rotated = Augmented(canvas, ChangeOf({.turn = turn, .degrees = 90.0}, canvas));
    EXPECT_LT(LargestDifference(rotated, turned), 0.01);
  }
}

// ATen's own affine sampling, in double precision, as torch.nn.functional documents it: bilinear,
// padding_mode "reflection", align_corners=True.
TEST(AugmentTest, PlacementsAreThoseOfGridSample) {
  constexpr int kSide = 28, kSize = 20;
  const std::vector<uint8_t> pixels = RandomPixels(1, kSide, kSide);
  const ImageCanvas canvas{pixels.data(), kSide, kSide, kSize};
  const at::Tensor image =
      at::tensor(at::ArrayRef<uint8_t>(pixels)).view({1, kSide, kSide, 3}).permute({0, 3, 1, 2});
  const Placement placements[] = {{.degrees = 30.0},
                                  {.degrees = -137.0, .scale = 1.7},
                                  {.scale = 0.25, .shift_x = 3.25},
                                  {.degrees = 77.0, .scale = 0.6, .shift_x = -9.5, .shift_y = 4}};
  for (const Placement& placement : placements) {
    const double angle = placement.degrees * std::numbers::pi / 180.0;
    const at::Tensor line = at::arange(kSize, at::kDouble) - (kSize - 1) / 2.0;
    const at::Tensor x = (line - placement.shift_x).view({1, kSize}) / placement.scale;
    const at::Tensor y = (line - placement.shift_y).view({kSize, 1}) / placement.scale;
    // A picture that is turned counter-clockwise is looked up clockwise; rows grow downwards.
    const at::Tensor column = x * std::cos(angle) - y * std::sin(angle);
    const at::Tensor row = x * std::sin(angle) + y * std::cos(angle);
    const at::Tensor grid = at::stack({column, row}, -1).unsqueeze(0) * (2.0 / (kSide - 1));
    const at::Tensor expected =
        at::grid_sampler_2d(image.to(at::kDouble), grid, /*bilinear*/ 0, /*reflection*/ 2, true)
            .permute({0, 2, 3, 1})
            .reshape({-1})
            .to(at::kFloat)
            .contiguous();
    const auto out = Augmented(canvas, ChangeOf(placement, canvas));
    const at::Tensor difference = at::tensor(at::ArrayRef<float>(out)) - expected;
    EXPECT_LT(difference.abs().max().item<double>(), 0.01) << placement.degrees;
  }
}

TEST(AugmentTest, ShiftsGoRightAndDownAndScalesEnlarge) {
  constexpr int kSide = 17, kMiddle = 8;
  std::vector<uint8_t> pixels(kSide * kSide * 3);
  const auto at = [](int row, int column) { return static_cast<size_t>(row * kSide + column) * 3; };
  pixels[at(kMiddle - 1, kMiddle + 2)] = 200;
  const ImageCanvas canvas{pixels.data(), kSide, kSide, kSide};
  const auto shifted = Augmented(canvas, ChangeOf({.shift_x = 3, .shift_y = 4}, canvas));
  EXPECT_EQ(shifted[at(kMiddle + 3, kMiddle + 5)], 200);
  const auto larger = Augmented(canvas, ChangeOf({.scale = 2.0}, canvas));
  EXPECT_EQ(larger[at(kMiddle - 2, kMiddle + 4)], 200);
  EXPECT_EQ(larger[at(kMiddle - 2, kMiddle + 3)], 100);
}

TEST(AugmentTest, MeanGreyIsThatOfTheCentre) {
  std::vector<uint8_t> pixels(4 * 4 * 3, 255);
  for (const int pixel : {5, 6, 9, 10}) {
    pixels[3 * pixel] = 10;
    pixels[3 * pixel + 1] = 20;
    pixels[3 * pixel + 2] = static_cast<uint8_t>(pixel);
  }
  EXPECT_NEAR(MeanGrey({pixels.data(), 4, 4, 2}, 0), 2.99 + 11.74 + 0.114 * 7.5, 1e-5);
}

// One after the other, each as torchvision's functional_tensor has it, without rounding between.
TEST(AugmentTest, ColoursAreBrightnessThenContrastThenSaturation) {
  constexpr int kSide = 8;
  std::vector<uint8_t> pixels = RandomPixels(1, kSide, kSide);
  const ImageCanvas canvas{pixels.data(), kSide, kSide, kSide};
  const float mean = MeanGrey(canvas, 0);
  spec::AugmentPlan plan;
  plan.brightness = 0.2;
  plan.contrast = 0.3;
  plan.saturation = 0.4;
  for (int position = 0; position < 20; ++position) {
    const ImageChange change = DrawChange(plan, canvas, mean, 1, 2, position);
    const double both = change.gain + change.grey_gain, saturation = change.gain / both;
    const double brightness = both + change.base / mean, contrast = both / brightness;
    EXPECT_LT(std::abs(brightness - 1), 0.2);
    EXPECT_LT(std::abs(contrast - 1), 0.3);
    EXPECT_LT(std::abs(saturation - 1), 0.4);
    const auto out = Augmented(canvas, change);
    for (int i = 0; i < kSide * kSide; ++i) {
      double value[3], grey = 0;
      const double luma[3] = {0.299, 0.587, 0.114};
      for (int c = 0; c < 3; ++c) {
        value[c] = brightness * mean + contrast * brightness * (pixels[3 * i + c] - mean);
        grey += luma[c] * value[c];
      }
      for (int c = 0; c < 3; ++c) {
        const double expected = std::clamp(grey + saturation * (value[c] - grey), 0.0, 255.0);
        EXPECT_NEAR(out[3 * i + c], expected, 0.01);
      }
    }
  }
}

TEST(AugmentTest, GreyscaleTakesAllColour) {
  const std::vector<uint8_t> pixels = RandomPixels(1, 8, 8);
  const ImageCanvas canvas{pixels.data(), 8, 8, 8};
  spec::AugmentPlan plan;
  plan.saturation = 0.5;
  plan.greyscale = 1.0;
  const auto out = Augmented(canvas, DrawChange(plan, canvas, 0, 1, 1, 1));
  for (size_t i = 0; i < out.size(); i += 3) {
    EXPECT_NEAR(out[i], 0.299 * pixels[i] + 0.587 * pixels[i + 1] + 0.114 * pixels[i + 2], 1e-3);
    EXPECT_EQ(out[i], out[i + 1]);
    EXPECT_EQ(out[i], out[i + 2]);
  }
}

TEST(AugmentTest, LogarithmSineAndCosineAreExactEnough) {
  for (int i = 1; i < 200'000; ++i) {
    const float x = static_cast<float>(i) / 200'000.0F;
    const double log = std::log(static_cast<double>(x));
    EXPECT_NEAR(LogOfFraction(x), log, 2e-7 * std::max(1.0, -log));
    const SineCosine found = SineCosineOf(x);
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(x);
    EXPECT_NEAR(found.sine, std::sin(angle), 2e-7);
    EXPECT_NEAR(found.cosine, std::cos(angle), 2e-7);
  }
  EXPECT_NEAR(LogOfFraction(0.5F * kFraction), std::log(0.5 / 16777216.0), 2e-6);
}

TEST(AugmentTest, NoiseIsGaussianAndIndependent) {
  constexpr int kSide = 128;
  const std::vector<uint8_t> pixels(static_cast<size_t>(kSide) * kSide * 3, 100);
  const ImageCanvas canvas{pixels.data(), kSide, kSide, kSide};
  spec::AugmentPlan plan;
  plan.noise = 0.1;
  const auto noise = [&](uint64_t position) {
    auto out = Augmented(canvas, DrawChange(plan, canvas, 0, 3, 1, position));
    for (float& value : out) value = (value - 100.0F) / 25.5F;
    return out;
  };
  const std::vector<float> one = noise(0), other = noise(1);
  EXPECT_EQ(one, noise(0));
  const double n = static_cast<double>(one.size());
  double sum = 0, squares = 0, cubes = 0, fourths = 0, beyond = 0, across = 0, along = 0, below = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    const double x = one[i];
    sum += x;
    squares += x * x;
    cubes += x * x * x;
    fourths += x * x * x * x;
    beyond += std::abs(x) > 2.0;
    across += x * other[i];
    along += x * one[(i + 1) % one.size()];  // The next channel, or the next pixel.
    below += x * one[(i + 3 * kSide) % one.size()];
  }
  // Five standard errors of each.
  const double error = 5.0 / std::sqrt(n);
  EXPECT_NEAR(sum / n, 0, error);
  EXPECT_NEAR(squares / n, 1, error * std::sqrt(2));
  EXPECT_NEAR(cubes / n, 0, error * std::sqrt(15));
  EXPECT_NEAR(fourths / n, 3, error * std::sqrt(96));
  EXPECT_NEAR(beyond / n, 0.0455, error * std::sqrt(0.0455));
  for (const double correlation : {across, along, below}) EXPECT_NEAR(correlation / n, 0, error);
}

TEST(AugmentTest, CutoutIsASquareOfTheMean) {
  constexpr int kSide = 40, kHole = 10;
  const std::vector<uint8_t> pixels(static_cast<size_t>(kSide) * kSide * 3, 100);
  const ImageCanvas canvas{pixels.data(), kSide, kSide, kSide};
  const PixelScale scale = MakePixelScale({{0.1, 0.1, 0.1}, {1, 1, 1}});
  spec::AugmentPlan plan;
  plan.cutout = 0.25;
  std::vector<int> covered(kSide * kSide);
  constexpr int kDraws = 2000;
  for (int position = 0; position < kDraws; ++position) {
    const ImageChange change = DrawChange(plan, canvas, 0, 1, 1, position);
    EXPECT_LE(change.right - change.left, kHole);
    EXPECT_GE((change.right - change.left) * (change.bottom - change.top), kHole * kHole / 4);
    const auto out = Augmented(canvas, change, scale);
    for (int i = 0; i < kSide * kSide; ++i) {
      const int x = i % kSide, y = i / kSide;
      const bool inside =
          x >= change.left && x < change.right && y >= change.top && y < change.bottom;
      ASSERT_EQ(out[3 * i] == 0.0F, inside);
      covered[i] += inside;
    }
  }
  // Away from the edges each pixel is as likely as any to be cut out: 10 x 10 centres of 40 x 40.
  for (int y = kHole; y < kSide - kHole; ++y) {
    for (int x = kHole; x < kSide - kHole; ++x) {
      EXPECT_NEAR(covered[y * kSide + x], kDraws / 16.0, 5.5 * std::sqrt(kDraws / 16.0));
    }
  }
}

TEST(AugmentTest, PlacementsAreUniformWithinWhatIsAllowed) {
  const ImageCanvas canvas{nullptr, 96, 96, 64};
  spec::AugmentPlan plan;
  plan.rotate_degrees = 20.0;
  plan.scale_low = 0.5;
  plan.scale_high = 2.0;
  constexpr int kDraws = 4000, kBins = 10;
  std::vector<int> angles(kBins), scales(kBins);
  for (int position = 0; position < kDraws; ++position) {
    const ImageChange change = DrawChange(plan, canvas, 0, 9, 4, position);
    const double degrees = std::atan2(change.yx, change.yy) * 180.0 / std::numbers::pi;
    const double scale = 1.0 / std::hypot(change.yx, change.yy);
    ++angles[static_cast<int>((degrees + 20.0) / 40.0 * kBins)];
    ++scales[static_cast<int>(std::log(scale / 0.5) / std::log(4.0) * kBins)];
  }
  for (int bin = 0; bin < kBins; ++bin) {
    EXPECT_NEAR(angles[bin], kDraws / kBins, 5 * std::sqrt(kDraws / kBins));
    EXPECT_NEAR(scales[bin], kDraws / kBins, 5 * std::sqrt(kDraws / kBins));
  }
}

TEST(AugmentTest, ShiftsAreUniformWithinWhatIsAllowed) {
  const ImageCanvas canvas{nullptr, 96, 96, 64};
  spec::AugmentPlan plan;
  plan.translate = 0.25;
  double sum = 0, squares = 0, largest = 0;
  constexpr int kDraws = 4000;
  const float middle = ChangeOf({}, canvas).x0;
  for (int position = 0; position < kDraws; ++position) {
    const double shift = middle - DrawChange(plan, canvas, 0, 9, 4, position).x0;
    sum += shift;
    squares += shift * shift;
    largest = std::max(largest, std::abs(shift));
  }
  EXPECT_LE(largest, 16);
  EXPECT_GT(largest, 15.9);
  EXPECT_NEAR(sum / kDraws, 0, 5 * 16 / std::sqrt(3.0 * kDraws));
  EXPECT_NEAR(squares / kDraws, 16 * 16 / 3.0, 5 * 16 * 16 * 0.3 / std::sqrt(kDraws));
}

TEST(AugmentTest, DrawsDependOnSeedEpochAndPositionAlone) {
  const ImageCanvas canvas{nullptr, 96, 96, 64};
  spec::AugmentPlan plan;
  plan.rotate_degrees = 180.0;
  const float x = DrawChange(plan, canvas, 0, 1, 1, 1).xx;
  EXPECT_EQ(x, DrawChange(plan, canvas, 0, 1, 1, 1).xx);
  EXPECT_NE(x, DrawChange(plan, canvas, 0, 2, 1, 1).xx);
  EXPECT_NE(x, DrawChange(plan, canvas, 0, 1, 2, 1).xx);
  EXPECT_NE(x, DrawChange(plan, canvas, 0, 1, 1, 2).xx);
}

// Batches of a stream that begins at `first`, one after the other.
std::vector<at::Tensor> Inputs(const BatchSource& source, BatchOrder order, int64_t first,
                               std::vector<int64_t>* labels) {
  order.first_batch = first;
  BatchStream stream(source, order);
  std::vector<at::Tensor> inputs;
  while (const auto batch = stream.Next()) {
    inputs.push_back(batch->input.clone());
    for (int64_t i = 0; i < batch->labels.size(0); ++i) {
      labels->push_back(batch->labels[i].item<int64_t>());
    }
  }
  return inputs;
}

BatchOrder OrderOf(const data::Dataset& set) {
  BatchOrder order;
  order.samples = set.train();
  order.batch_size = 16;
  order.seed = 3;
  order.epoch = 2;
  return order;
}

TEST(BatchStreamTest, AResumedEpochAugmentsAsAnUnbrokenOne) {
  const MemoryDataset set = MemoryDataset::Images(120, 24, 2);
  const BatchSource source(set, 16, {{0.4, 0.4, 0.4}, {0.2, 0.2, 0.2}}, c10::Device(c10::kCPU));
  BatchOrder order = OrderOf(set);
  order.augment.rotate_degrees = 180;
  order.augment.contrast = 0.5;
  order.augment.noise = 0.1;
  order.augment.cutout = 0.2;
  std::vector<int64_t> labels, late_labels;
  const auto whole = Inputs(source, order, 0, &labels);
  const auto late = Inputs(source, order, 3, &late_labels);
  ASSERT_EQ(whole.size(), late.size() + 3);
  for (size_t i = 0; i < late.size(); ++i) EXPECT_TRUE(late[i].equal(whole[i + 3]));
}

TEST(BatchStreamTest, MixedBatchesAreTheirOwnAndTheirPartnersShares) {
  const MemoryDataset set = MemoryDataset::Images(120, 16, 2);
  const BatchSource source(set, 16, {{0.4, 0.4, 0.4}, {0.2, 0.2, 0.2}}, c10::Device(c10::kCPU));
  BatchOrder order = OrderOf(set);
  BatchStream plain(source, order);
  order.mixup = 0.4;
  BatchStream mixed(source, order);
  while (const auto batch = mixed.Next()) {
    const auto own = plain.Next();
    EXPECT_LT(batch->mix_share, 1.0);
    const at::Tensor expected =
        own->input * batch->mix_share + own->input.flip(0) * (1.0 - batch->mix_share);
    EXPECT_TRUE(at::allclose(batch->input, expected, 1e-5, 1e-6));
    EXPECT_TRUE(batch->labels.equal(own->labels));
    EXPECT_TRUE(PartnersOf(*batch).labels.equal(own->labels.flip(0)));
    EXPECT_EQ(own->mix_share, 1.0);
  }
}

TEST(BatchStreamTest, FlippedImagesTakeThePartnersLabel) {
  const MemoryDataset set = MemoryDataset::Images(150, 16, 3);
  const BatchSource source(set, 16, {{0.4, 0.4, 0.4}, {0.2, 0.2, 0.2}}, c10::Device(c10::kCPU));
  BatchOrder order = OrderOf(set);
  order.augment.flip = true;
  order.augment.flip_swaps_classes = {{"class2", "class0"}};
  order.mirrored_classes = MirroredClasses(order.augment, set.classes());
  EXPECT_EQ(order.mirrored_classes, (std::vector<int32_t>{2, 1, 0}));
  for (const double degrees : {0.0, 180.0}) {  // By the plain gather, and by the other pass.
    order.augment.rotate_degrees = degrees;
    std::vector<int64_t> labels;
    Inputs(source, order, 0, &labels);
    int swapped = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      const int64_t own = set.labels()[set.train()[i]];
      const bool flipped = (DrawTurn(order.augment, 3, 2, i) & kFlip) != 0;
      EXPECT_EQ(labels[i], flipped && own != 1 ? 2 - own : own);
      swapped += labels[i] != own;
    }
    EXPECT_GT(swapped, 20);
  }
}

}  // namespace
}  // namespace skytrain::training
