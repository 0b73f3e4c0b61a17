#pragma once

#include <math.h>
#include <string.h>

#include <cstdint>

#include "server/data/philox.h"

// One pixel of an augmented image: the arithmetic that the vectorised pass on the CPU
// (augment.cc) and the CUDA kernel (gpu/augment_kernel.cu) have in common. Both are compiled
// without fused multiply-adds, so every instruction set and the GPU give the same bits.

namespace skytrain::training {

// What is done to one image, drawn by DrawChange. Plain data: it is copied to the GPU as it is.
struct ImageChange {
  // Where pixel (x, y) of the output lies on the canvas, in pixels of the canvas:
  // (xx * x + xy * y + x0, yx * x + yy * y + y0).
  float xx, xy, x0;
  float yx, yy, y0;
  // A value becomes gain * value + grey_gain * the pixel's grey + base, cut to 0..255.
  float gain, grey_gain, base;
  float noise;  // Deviation, in units of a byte; 0: none.
  uint32_t noise_key0, noise_key1;
  // Pixels set to the mean: columns [left, right) of rows [top, bottom).
  int32_t left, top, right, bottom;
};

// ITU-R BT.601 luma.
constexpr int kRedPerMille = 299, kGreenPerMille = 587, kBluePerMille = 114;

SKYTRAIN_SHARED_INLINE float Grey(float red, float green, float blue) {
  return 0.299F * red + 0.587F * green + 0.114F * blue;
}

// What lies beyond the first and the last pixel is mirrored there (numpy.pad's "reflect"), as often
// as it takes: the noise of the sky goes on, and nothing is smeared.
SKYTRAIN_SHARED_INLINE float Reflected(float at, float last) {
  const float period = 2.0F * last;
  float t = at < 0.0F ? -at : at;
  t -= static_cast<float>(static_cast<int32_t>(t / period)) * period;
  t = t < period - t ? t : period - t;
  t = t > 0.0F ? t : 0.0F;
  return t < last ? t : last;
}

// The four pixels around a point of a canvas, for bilinear interpolation.
struct Taps {
  int32_t offset;     // In bytes, of the upper left one; the others are right of and below it.
  float right, down;  // Weights of the right and of the lower two.
};

SKYTRAIN_SHARED_INLINE Taps TapsOf(const ImageChange& change, int x, int y, int height, int width) {
  const float column =
      Reflected(change.xx * static_cast<float>(x) + (change.xy * static_cast<float>(y) + change.x0),
                static_cast<float>(width - 1));
  const float row =
      Reflected(change.yx * static_cast<float>(x) + (change.yy * static_cast<float>(y) + change.y0),
                static_cast<float>(height - 1));
  int32_t left = static_cast<int32_t>(column);
  left = left < width - 2 ? left : width - 2;
  int32_t top = static_cast<int32_t>(row);
  top = top < height - 2 ? top : height - 2;
  return {3 * (top * width + left), column - static_cast<float>(left),
          row - static_cast<float>(top)};
}

// Two neighbours of a row, red in the lowest byte. Reads the six bytes of the two and no more.
struct Neighbours {
  uint32_t left, right;
};

SKYTRAIN_SHARED_INLINE Neighbours NeighboursAt(const uint8_t* pixel) {
  Neighbours pair;
  memcpy(&pair.left, pixel, 4);
  memcpy(&pair.right, pixel + 2, 4);
  pair.right >>= 8;
  return pair;
}

SKYTRAIN_SHARED_INLINE float Byte(uint32_t word, int byte) {
  return static_cast<float>(static_cast<int32_t>((word >> (8 * byte)) & 255U));
}

SKYTRAIN_SHARED_INLINE float Blend(const Neighbours& upper, const Neighbours& lower, int channel,
                                   float right, float down) {
  const float upper_left = Byte(upper.left, channel), lower_left = Byte(lower.left, channel);
  const float above = upper_left + right * (Byte(upper.right, channel) - upper_left);
  const float below = lower_left + right * (Byte(lower.right, channel) - lower_left);
  return above + down * (below - above);
}

SKYTRAIN_SHARED_INLINE float Coloured(const ImageChange& change, float value, float grey) {
  const float changed = change.gain * value + (change.grey_gain * grey + change.base);
  const float positive = changed > 0.0F ? changed : 0.0F;
  return positive < 255.0F ? positive : 255.0F;
}

// ln(x) of 0 < x < 1 to within 2e-7 of its value or 2e-7, as logf of Cephes (S. Moshier).
SKYTRAIN_SHARED_INLINE float LogOfFraction(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  // x = mantissa * 2^exponent with a mantissa in [sqrt(1/2), sqrt(2)).
  const int32_t exponent = (static_cast<int32_t>(bits) - 0x3F3504F3) >> 23;
  bits -= static_cast<uint32_t>(exponent) << 23;
  float mantissa;
  memcpy(&mantissa, &bits, sizeof(mantissa));
  const float m = mantissa - 1.0F, square = m * m, e = static_cast<float>(exponent);
  float p = 7.0376836292e-2F;
  p = p * m - 1.1514610310e-1F;
  p = p * m + 1.1676998740e-1F;
  p = p * m - 1.2420140846e-1F;
  p = p * m + 1.4249322787e-1F;
  p = p * m - 1.6668057665e-1F;
  p = p * m + 2.0000714765e-1F;
  p = p * m - 2.4999993993e-1F;
  p = p * m + 3.3333331174e-1F;
  return (p * m * square - 2.12194440e-4F * e - 0.5F * square) + m + 0.693359375F * e;
}

struct SineCosine {
  float sine, cosine;
};

// Of `turns` full turns, 0 <= turns < 1, to within 2e-7: Cephes' polynomials on an eighth of one.
SKYTRAIN_SHARED_INLINE SineCosine SineCosineOf(float turns) {
  const float quarters = 4.0F * turns;
  const int32_t quadrant = static_cast<int32_t>(quarters + 0.5F);
  const float x = (quarters - static_cast<float>(quadrant)) * 1.5707963267948966F;
  const float z = x * x;
  const float sine =
      ((-1.9515295891e-4F * z + 8.3321608736e-3F) * z - 1.6666654611e-1F) * z * x + x;
  const float cosine =
      ((2.443315711809948e-5F * z - 1.388731625493765e-3F) * z + 4.166664568298827e-2F) * z * z -
      0.5F * z + 1.0F;
  const bool swapped = (quadrant & 1) != 0;
  const float s = swapped ? cosine : sine, c = swapped ? sine : cosine;
  return {(quadrant & 2) != 0 ? -s : s, ((quadrant + 1) & 2) != 0 ? -c : c};
}

constexpr float kFraction = 1.0F / 16777216.0F;  // 24 bits: all that a float holds.

// 0 <= fraction < 1.
SKYTRAIN_SHARED_INLINE float FractionOf(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8)) * kFraction;
}

struct Normals {
  float n0, n1, n2;
};

// Three independent standard normal numbers for `pixel` of an image: Box and Muller's transform of
// Philox words. The largest possible is 5.9.
SKYTRAIN_SHARED_INLINE Normals NormalsOf(const ImageChange& change, int32_t pixel) {
  const data::PhiloxWords words = data::PhiloxRounds(change.noise_key0, change.noise_key1,
                                                     {static_cast<uint32_t>(pixel), 0, 0, 0});
  const float radius0 = sqrtf(-2.0F * LogOfFraction(FractionOf(words.w0) + 0.5F * kFraction));
  const float radius1 = sqrtf(-2.0F * LogOfFraction(FractionOf(words.w2) + 0.5F * kFraction));
  const SineCosine first = SineCosineOf(FractionOf(words.w1));
  const SineCosine second = SineCosineOf(FractionOf(words.w3));
  return {radius0 * first.cosine, radius0 * first.sine, radius1 * second.cosine};
}

}  // namespace skytrain::training
