// The CUDA kernel against its twin on the CPU. Skips itself where there is no GPU.
#include <dlfcn.h>

#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/training/gpu/gpu_plugin.h"
#include "server/training/input/gather.h"

namespace skytrain::training {
namespace {

// The plug-in has to be opened before LibTorch is used, so this is the first thing the only test
// does.
const GpuPlugin* OpenPlugin(std::string& why_not) {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    why_not = "no CUDA driver (libcuda.so.1) on this machine";
    return nullptr;
  }
  void* library = dlopen(SKYTRAIN_BIN_DIR "/libskytrain_gpu.so", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    why_not = absl::StrCat("the GPU plug-in does not load: ", dlerror());
    return nullptr;
  }
  const auto entry = reinterpret_cast<const GpuPlugin* (*)()>(dlsym(library, kGpuPluginEntry));
  const GpuPlugin* plugin = entry();
  if (plugin->device_count() == 0) {
    why_not = "the CUDA driver shows no GPU";
    return nullptr;
  }
  return plugin;
}

TEST(GpuGatherTest, EveryTurnEqualsTheCpuPass) {
  std::string why_not;
  const GpuPlugin* plugin = OpenPlugin(why_not);
  if (plugin == nullptr) GTEST_SKIP() << why_not;
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

}  // namespace
}  // namespace skytrain::training
