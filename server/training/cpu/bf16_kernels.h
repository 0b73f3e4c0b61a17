#pragma once

#include <cstdint>

// Inner loops for processors with AVX-512 BF16 (vdpbf16ps). Call them only where
// HasBf16Arithmetic() says so. bfloat16 values are passed as their 16 bits. No other header than
// <cstdint> may be needed here: the file is compiled for AVX-512, and an inline function of a
// shared header compiled so could be the copy that the linker keeps.

namespace skytrain::training {

// Channels of the gradient and lanes of the input that one tile holds in registers.
inline constexpr int kTileRows = 8;
inline constexpr int kTileLanes = 32;

// `a` and `b` hold `channels` values of one pixel in two images. Writes pairs (a[c], b[c]), which
// is how vdpbf16ps wants two terms of a sum, in blocks of `block` channels (8 or 32) that lie
// `block_stride` values apart. Fills up the last block with zeros.
void InterleaveBf16(const uint16_t* a, const uint16_t* b, int64_t channels, int block,
                    int64_t block_stride, uint16_t* out);

// One tile of a weight gradient: sums over `images` pairs of images, `rows` and `columns` of
//   out[k * out_stride + lane] (+)= y[pixel][k][0] * x[pixel][lane][0] + (the same with [1])
// where y is interleaved in blocks of kTileRows and x has `lanes` (<= kTileLanes) pairs at each
// pixel; up to kTileLanes pairs are read there. Strides are in 16-bit values.
struct Bf16Tile {
  const uint16_t* x;
  int64_t x_image, x_row, x_column;
  const uint16_t* y;
  int64_t y_image, y_row;
  int64_t images, rows, columns;
  float* out;
  int64_t out_stride;
  int out_rows, lanes;  // What of the tile is stored.
  bool accumulate;
};
void RunBf16Tile(const Bf16Tile& tile);

}  // namespace skytrain::training
