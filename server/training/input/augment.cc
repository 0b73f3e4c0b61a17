#include "server/training/input/augment.h"

#include <algorithm>
#include <cstring>

namespace skytrain::training {
namespace {

// Pixels of a row that are worked on together: loops of a constant length vectorise without rest.
constexpr int kBlock = 32;

struct Block {
  alignas(64) int32_t offset[kBlock];
  alignas(64) float right[kBlock], down[kBlock];
  alignas(64) uint32_t words[4][kBlock];  // Upper left, upper right, lower left, lower right.
  alignas(64) float channel[3][kBlock];
  alignas(64) float out[3 * kBlock];
};

SKYTRAIN_SHARED_INLINE void FindTaps(const ImageChange& change, const ImageCanvas& canvas, int x0,
                                     int y, Block& block) {
  for (int i = 0; i < kBlock; ++i) {
    const Taps taps = TapsOf(change, x0 + i, y, canvas.height, canvas.width);
    block.offset[i] = taps.offset;
    block.right[i] = taps.right;
    block.down[i] = taps.down;
  }
}

SKYTRAIN_SHARED_INLINE void LoadTaps(const uint8_t* image, int row_bytes, Block& block) {
  for (int i = 0; i < kBlock; ++i) {
    const Neighbours upper = NeighboursAt(image + block.offset[i]);
    const Neighbours lower = NeighboursAt(image + block.offset[i] + row_bytes);
    block.words[0][i] = upper.left;
    block.words[1][i] = upper.right;
    block.words[2][i] = lower.left;
    block.words[3][i] = lower.right;
  }
}

SKYTRAIN_SHARED_INLINE void BlendAndColour(const ImageChange& change, Block& block) {
  for (int i = 0; i < kBlock; ++i) {
    const Neighbours upper{block.words[0][i], block.words[1][i]};
    const Neighbours lower{block.words[2][i], block.words[3][i]};
    const float red = Blend(upper, lower, 0, block.right[i], block.down[i]);
    const float green = Blend(upper, lower, 1, block.right[i], block.down[i]);
    const float blue = Blend(upper, lower, 2, block.right[i], block.down[i]);
    const float grey = Grey(red, green, blue);
    block.channel[0][i] = Coloured(change, red, grey);
    block.channel[1][i] = Coloured(change, green, grey);
    block.channel[2][i] = Coloured(change, blue, grey);
  }
}

SKYTRAIN_SHARED_INLINE void AddNoise(const ImageChange& change, int first_pixel, Block& block) {
  for (int i = 0; i < kBlock; ++i) {
    const Normals normals = NormalsOf(change, first_pixel + i);
    block.channel[0][i] += change.noise * normals.n0;
    block.channel[1][i] += change.noise * normals.n1;
    block.channel[2][i] += change.noise * normals.n2;
  }
}

SKYTRAIN_SHARED_INLINE void Normalise(const PixelScale& scale, Block& block) {
  for (int i = 0; i < kBlock; ++i) {
    block.out[3 * i] = block.channel[0][i] * scale.scale[0] + scale.bias[0];
    block.out[3 * i + 1] = block.channel[1][i] * scale.scale[1] + scale.bias[1];
    block.out[3 * i + 2] = block.channel[2][i] * scale.scale[2] + scale.bias[2];
  }
}

SKYTRAIN_SHARED_INLINE void AugmentImage(const uint8_t* image, const ImageCanvas& canvas,
                                         const ImageChange& change, const PixelScale& scale,
                                         float* out) {
  const int size = canvas.size;
  Block block;
  for (int y = 0; y < size; ++y, out += 3 * size) {
    for (int x = 0; x < size; x += kBlock) {
      FindTaps(change, canvas, x, y, block);
      LoadTaps(image, 3 * canvas.width, block);
      BlendAndColour(change, block);
      if (change.noise > 0.0F) AddNoise(change, y * size + x, block);
      Normalise(scale, block);
      std::memcpy(out + 3 * x, block.out, sizeof(float) * 3 * std::min(kBlock, size - x));
    }
    if (y >= change.top && y < change.bottom) {
      std::fill(out + 3 * change.left, out + 3 * change.right, 0.0F);
    }
  }
}

// One body for several instruction sets, chosen when the program runs. Not by target_clones: its
// resolvers run before a sanitizer is ready.
using Augment = void (*)(const uint8_t*, const ImageCanvas&, const ImageChange&, const PixelScale&,
                         float*);

void AugmentAnywhere(const uint8_t* image, const ImageCanvas& canvas, const ImageChange& change,
                     const PixelScale& scale, float* out) {
  AugmentImage(image, canvas, change, scale, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void AugmentAvx2(const uint8_t* image, const ImageCanvas& canvas,
                                         const ImageChange& change, const PixelScale& scale,
                                         float* out) {
  AugmentImage(image, canvas, change, scale, out);
}

[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] void AugmentAvx512(
    const uint8_t* image, const ImageCanvas& canvas, const ImageChange& change,
    const PixelScale& scale, float* out) {
  AugmentImage(image, canvas, change, scale, out);
}

Augment BestAugment() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return &AugmentAvx512;
  }
  return __builtin_cpu_supports("avx2") ? &AugmentAvx2 : &AugmentAnywhere;
}
#else
Augment BestAugment() { return &AugmentAnywhere; }
#endif

}  // namespace

void AugmentImages(const ImageCanvas& canvas, absl::Span<const int64_t> samples,
                   absl::Span<const ImageChange> changes, const PixelScale& scale, float* out) {
  static const Augment augment = BestAugment();
  const int64_t image_bytes = int64_t{3} * canvas.height * canvas.width;
  for (size_t i = 0; i < samples.size(); ++i) {
    augment(canvas.pixels + samples[i] * image_bytes, canvas, changes[i], scale, out);
    out += int64_t{3} * canvas.size * canvas.size;
  }
}

}  // namespace skytrain::training
