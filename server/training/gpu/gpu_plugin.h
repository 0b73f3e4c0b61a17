#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "server/training/gpu/step_graph.h"

namespace skytrain::training {

// What libskytrain_gpu.so offers: the only code that links CUDA. The worker opens it, so that a CPU
// job starts faster, takes a third of the memory, and needs no CUDA library.
struct GpuPlugin {
  int (*device_count)();
  int64_t (*free_memory)(int device);  // Bytes.
  // GatherImages on the GPU, on the current stream. `pixels`: uint8 [count * height * width * 3];
  // `samples`: int64 [N]; `turns`: uint8 [N]; `scale`, `bias`: float32 [3]; `out`: float32
  // [N, 3, S, S] channels_last.
  void (*gather_images)(const at::Tensor& pixels, int height, int width, const at::Tensor& samples,
                        const at::Tensor& turns, const at::Tensor& scale, const at::Tensor& bias,
                        at::Tensor& out);
  // AugmentImages on the GPU, on the current stream. `changes`: the bytes of N ImageChange; the
  // rest as above.
  void (*augment_images)(const at::Tensor& pixels, int height, int width, const at::Tensor& samples,
                         const at::Tensor& changes, const at::Tensor& scale, const at::Tensor& bias,
                         at::Tensor& out);
  std::unique_ptr<StepGraph> (*make_step_graph)(int device);
};

// Name of the plug-in's entry: extern "C" const GpuPlugin* skytrain_gpu_plugin().
constexpr char kGpuPluginEntry[] = "skytrain_gpu_plugin";

// Opens libskytrain_gpu.so beside the running program. Must come before any call of LibTorch, which
// otherwise remembers that there is no CUDA. FAILED_PRECONDITION (NO_GPU), saying which of driver,
// plug-in and device is missing.
absl::Status LoadGpuPlugin();

// Null unless LoadGpuPlugin succeeded.
const GpuPlugin* LoadedGpuPlugin();

}  // namespace skytrain::training
