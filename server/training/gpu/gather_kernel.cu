#include "server/training/gpu/gather_kernel.cuh"

namespace skytrain::training {
namespace {

// One thread an output pixel; a block row walks x, so that writes of a warp are contiguous.
__global__ void GatherImagesKernel(const uint8_t* __restrict__ pixels, int height, int width,
                                   const int64_t* __restrict__ samples,
                                   const uint8_t* __restrict__ turns,
                                   const float* __restrict__ scale, const float* __restrict__ bias,
                                   int size, float* __restrict__ out) {
  const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
  if (pixel >= size * size) return;
  const int image = blockIdx.y;
  const int y = pixel / size;
  const int x = pixel - y * size;
  const int last = size - 1;
  const uint8_t turn = turns[image];
  int row = y, column = x;
  switch (turn & 3) {
    case 1:
      row = x;
      column = last - y;
      break;
    case 2:
      row = last - y;
      column = last - x;
      break;
    case 3:
      row = last - x;
      column = y;
      break;
  }
  if (turn & 4) column = last - column;
  const int64_t source =
      (samples[image] * height + (height - size) / 2 + row) * static_cast<int64_t>(width) +
      (width - size) / 2 + column;
  const uint8_t* from = pixels + 3 * source;
  float* to = out + 3 * (static_cast<int64_t>(image) * size * size + pixel);
  for (int c = 0; c < 3; ++c) to[c] = static_cast<float>(from[c]) * scale[c] + bias[c];
}

}  // namespace

cudaError_t LaunchGatherImages(const uint8_t* pixels, int height, int width, const int64_t* samples,
                               const uint8_t* turns, const float* scale, const float* bias,
                               int count, int size, float* out, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  constexpr int kThreads = 256;
  const dim3 blocks((size * size + kThreads - 1) / kThreads, count);
  GatherImagesKernel<<<blocks, kThreads, 0, stream>>>(pixels, height, width, samples, turns, scale,
                                                      bias, size, out);
  return cudaGetLastError();
}

}  // namespace skytrain::training
