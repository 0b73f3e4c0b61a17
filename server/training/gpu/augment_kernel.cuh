#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "server/training/input/pixel_math.h"

namespace skytrain::training {

// Twin of AugmentImages in input/augment.cc; the arguments are those of GpuPlugin::augment_images,
// as device pointers. Asynchronous on `stream`.
cudaError_t LaunchAugmentImages(const uint8_t* pixels, int height, int width,
                                const int64_t* samples, const ImageChange* changes,
                                const float* scale, const float* bias, int count, int size,
                                float* out, cudaStream_t stream);

}  // namespace skytrain::training
