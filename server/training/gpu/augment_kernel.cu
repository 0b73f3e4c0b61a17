#include "server/training/gpu/augment_kernel.cuh"

namespace skytrain::training {
namespace {

// One thread an output pixel; a block row walks x, so that writes of a warp are contiguous. All
// arithmetic is that of pixel_math.h.
__global__ void AugmentImagesKernel(const uint8_t* __restrict__ pixels, int height, int width,
                                    const int64_t* __restrict__ samples,
                                    const ImageChange* __restrict__ changes,
                                    const float* __restrict__ scale, const float* __restrict__ bias,
                                    int size, float* __restrict__ out) {
  const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
  if (pixel >= size * size) return;
  const int image = blockIdx.y;
  const int y = pixel / size;
  const int x = pixel - y * size;
  const ImageChange& change = changes[image];
  float* to = out + 3 * (static_cast<int64_t>(image) * size * size + pixel);
  if (y >= change.top && y < change.bottom && x >= change.left && x < change.right) {
    to[0] = to[1] = to[2] = 0.0F;
    return;
  }
  const Taps taps = TapsOf(change, x, y, height, width);
  const uint8_t* at = pixels + samples[image] * (int64_t{3} * height * width) + taps.offset;
  const Neighbours upper = NeighboursAt(at), lower = NeighboursAt(at + 3 * width);
  const float red = Blend(upper, lower, 0, taps.right, taps.down);
  const float green = Blend(upper, lower, 1, taps.right, taps.down);
  const float blue = Blend(upper, lower, 2, taps.right, taps.down);
  const float grey = Grey(red, green, blue);
  float values[3] = {Coloured(change, red, grey), Coloured(change, green, grey),
                     Coloured(change, blue, grey)};
  if (change.noise > 0.0F) {
    const Normals normals = NormalsOf(change, pixel);
    values[0] += change.noise * normals.n0;
    values[1] += change.noise * normals.n1;
    values[2] += change.noise * normals.n2;
  }
  for (int c = 0; c < 3; ++c) to[c] = values[c] * scale[c] + bias[c];
}

}  // namespace

cudaError_t LaunchAugmentImages(const uint8_t* pixels, int height, int width,
                                const int64_t* samples, const ImageChange* changes,
                                const float* scale, const float* bias, int count, int size,
                                float* out, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  constexpr int kThreads = 256;
  const dim3 blocks((size * size + kThreads - 1) / kThreads, count);
  AugmentImagesKernel<<<blocks, kThreads, 0, stream>>>(pixels, height, width, samples, changes,
                                                       scale, bias, size, out);
  return cudaGetLastError();
}

}  // namespace skytrain::training
