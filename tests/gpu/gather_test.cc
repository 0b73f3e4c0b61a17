// The CUDA kernels against their twins on the CPU. Skips itself where there is no GPU.
#include <vector>

#include "ATen/ATen.h"
#include "gtest/gtest.h"
#include "server/training/gpu/gpu_plugin.h"
#include "server/training/input/augment.h"

namespace skytrain::training {
namespace {

TEST(GpuGatherTest, EveryTurnEqualsTheCpuPass) {
  // Before anything of LibTorch is used.
  if (const absl::Status loaded = LoadGpuPlugin(); !loaded.ok()) GTEST_SKIP() << loaded.message();
  const GpuPlugin* plugin = LoadedGpuPlugin();
  constexpr int kHeight = 21, kWidth = 19, kSize = 16, kImages = 5, kTurns = 8;
  std::vector<uint8_t> pixels(kImages * kHeight * kWidth * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 9);
  std::vector<int64_t> samples;
  std::vector<Turn> turns;
  for (int i = 0; i < kImages * kTurns; ++i) {
    samples.push_back((i * 3) % kImages);
    turns.push_back(static_cast<Turn>(i % kTurns));
  }
  const PixelScale scale = MakePixelScale({{0.4, 0.3, 0.2}, {0.2, 0.25, 0.3}});
  const int64_t count = static_cast<int64_t>(samples.size());
  at::Tensor expected =
      at::empty({count, 3, kSize, kSize}, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  GatherImages({pixels.data(), kHeight, kWidth, kSize}, samples, turns, scale,
               expected.mutable_data_ptr<float>());

  const c10::Device gpu(c10::kCUDA, 0);
  at::Tensor out = at::empty_like(expected, at::TensorOptions(gpu));
  plugin->gather_images(at::tensor(at::ArrayRef<uint8_t>(pixels)).to(gpu), kHeight, kWidth,
                        at::tensor(at::ArrayRef<int64_t>(samples)).to(gpu),
                        at::tensor(at::ArrayRef<uint8_t>(turns)).to(gpu),
                        at::tensor(at::ArrayRef<float>(scale.scale)).to(gpu),
                        at::tensor(at::ArrayRef<float>(scale.bias)).to(gpu), out);
  // Only the rounding of a fused multiply-add may differ.
  EXPECT_LT((out.cpu() - expected).abs().max().item<double>(), 1e-5);
}

TEST(GpuAugmentTest, EveryChangeEqualsTheCpuPass) {
  if (const absl::Status loaded = LoadGpuPlugin(); !loaded.ok()) GTEST_SKIP() << loaded.message();
  const GpuPlugin* plugin = LoadedGpuPlugin();
  constexpr int kSide = 48, kSize = 33, kImages = 5, kDraws = 64;
  std::vector<uint8_t> pixels(kImages * kSide * kSide * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 9);
  const ImageCanvas canvas{pixels.data(), kSide, kSide, kSize};
  spec::AugmentPlan augment;
  augment.rotate90 = augment.flip = true;
  augment.rotate_degrees = 180.0;
  augment.scale_low = 0.5;
  augment.scale_high = 2.0;
  augment.translate = 0.2;
  augment.brightness = augment.contrast = augment.saturation = 0.4;
  augment.greyscale = 0.1;
  augment.noise = 0.05;
  augment.cutout = 0.2;
  std::vector<int64_t> samples;
  std::vector<ImageChange> changes;
  for (int i = 0; i < kDraws; ++i) {
    samples.push_back((i * 3) % kImages);
    changes.push_back(DrawChange(augment, canvas, MeanGrey(canvas, samples.back()), 1, 1, i));
  }
  const PixelScale scale = MakePixelScale({{0.4, 0.3, 0.2}, {0.2, 0.25, 0.3}});
  at::Tensor expected =
      at::empty({kDraws, 3, kSize, kSize}, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  AugmentImages(canvas, samples, changes, scale, expected.mutable_data_ptr<float>());

  const c10::Device gpu(c10::kCUDA, 0);
  at::Tensor out = at::empty_like(expected, at::TensorOptions(gpu));
  const auto* bytes = reinterpret_cast<const uint8_t*>(changes.data());
  plugin->augment_images(
      at::tensor(at::ArrayRef<uint8_t>(pixels)).to(gpu), kSide, kSide,
      at::tensor(at::ArrayRef<int64_t>(samples)).to(gpu),
      at::tensor(at::ArrayRef<uint8_t>(bytes, changes.size() * sizeof(ImageChange))).to(gpu),
      at::tensor(at::ArrayRef<float>(scale.scale)).to(gpu),
      at::tensor(at::ArrayRef<float>(scale.bias)).to(gpu), out);
  // The same operations in the same order, none of them fused; a few units in the last place of a
  // value of about 5 are allowed for.
  EXPECT_LT((out.cpu() - expected).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace skytrain::training
