// The CUDA side of gpu_plugin.h. Throws c10::Error like the rest of LibTorch: its callers run
// inside the worker's one try block.
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include "server/training/gpu/augment_kernel.cuh"
#include "server/training/gpu/cuda_step_graph.h"
#include "server/training/gpu/gather_kernel.cuh"
#include "server/training/gpu/gpu_plugin.h"

namespace skytrain::training {
namespace {

int DeviceCount() { return c10::cuda::device_count(); }

int64_t FreeMemory(int device) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(free);
}

void GatherOnGpu(const at::Tensor& pixels, int height, int width, const at::Tensor& samples,
                 const at::Tensor& turns, const at::Tensor& scale, const at::Tensor& bias,
                 at::Tensor& out) {
  const c10::cuda::CUDAGuard guard(out.device());
  C10_CUDA_CHECK(LaunchGatherImages(
      pixels.const_data_ptr<uint8_t>(), height, width, samples.const_data_ptr<int64_t>(),
      turns.const_data_ptr<uint8_t>(), scale.const_data_ptr<float>(), bias.const_data_ptr<float>(),
      static_cast<int>(out.size(0)), static_cast<int>(out.size(2)), out.mutable_data_ptr<float>(),
      at::cuda::getCurrentCUDAStream()));
}

void AugmentOnGpu(const at::Tensor& pixels, int height, int width, const at::Tensor& samples,
                  const at::Tensor& changes, const at::Tensor& scale, const at::Tensor& bias,
                  at::Tensor& out) {
  const c10::cuda::CUDAGuard guard(out.device());
  C10_CUDA_CHECK(LaunchAugmentImages(
      pixels.const_data_ptr<uint8_t>(), height, width, samples.const_data_ptr<int64_t>(),
      reinterpret_cast<const ImageChange*>(changes.const_data_ptr<uint8_t>()),
      scale.const_data_ptr<float>(), bias.const_data_ptr<float>(), static_cast<int>(out.size(0)),
      static_cast<int>(out.size(2)), out.mutable_data_ptr<float>(),
      at::cuda::getCurrentCUDAStream()));
}

constexpr GpuPlugin kPlugin = {&DeviceCount, &FreeMemory, &GatherOnGpu, &AugmentOnGpu,
                               &MakeCudaStepGraph};

}  // namespace
}  // namespace skytrain::training

extern "C" const skytrain::training::GpuPlugin* skytrain_gpu_plugin() {
  return &skytrain::training::kPlugin;
}
