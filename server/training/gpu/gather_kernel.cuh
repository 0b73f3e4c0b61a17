#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace skytrain::training {

// Twin of GatherImages in input/gather.cc; the arguments are those of GpuPlugin::gather_images, as
// device pointers. Asynchronous on `stream`.
cudaError_t LaunchGatherImages(const uint8_t* pixels, int height, int width, const int64_t* samples,
                               const uint8_t* turns, const float* scale, const float* bias,
                               int count, int size, float* out, cudaStream_t stream);

}  // namespace skytrain::training
