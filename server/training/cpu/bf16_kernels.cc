#include "server/training/cpu/bf16_kernels.h"

#include <immintrin.h>

namespace skytrain::training {
namespace {

__m512bh AsBf16(__m512i bits) { return reinterpret_cast<__m512bh>(bits); }

// Word i of the result is word i/2 of a (even i) or of b (odd i), from word `first` on.
__m512i PairIndex(int first) {
  alignas(64) uint16_t index[32];
  for (int i = 0; i < 32; ++i) {
    index[i] = static_cast<uint16_t>(first + i / 2 + (i % 2 == 1 ? 32 : 0));
  }
  return _mm512_load_si512(index);
}

template <int kVectors>
void Tile(const Bf16Tile& t) {
  __m512 sum[kTileRows][kVectors];
  for (auto& row : sum) {
    for (__m512& vector : row) vector = _mm512_setzero_ps();
  }
  for (int64_t image = 0; image < t.images; ++image) {
    for (int64_t row = 0; row < t.rows; ++row) {
      const uint16_t* x = t.x + image * t.x_image + row * t.x_row;
      const uint16_t* y = t.y + image * t.y_image + row * t.y_row;
      for (int64_t column = 0; column < t.columns; ++column) {
        __m512bh lanes[kVectors];
        for (int v = 0; v < kVectors; ++v) lanes[v] = AsBf16(_mm512_loadu_si512(x + 32 * v));
#pragma GCC unroll 8
        for (int k = 0; k < kTileRows; ++k) {
          int pair;
          __builtin_memcpy(&pair, y + 2 * k, sizeof pair);
          const __m512bh both = AsBf16(_mm512_set1_epi32(pair));
#pragma GCC unroll 2
          for (int v = 0; v < kVectors; ++v) {
            sum[k][v] = _mm512_dpbf16_ps(sum[k][v], both, lanes[v]);
          }
        }
        x += t.x_column;
        y += 2 * kTileRows;
      }
    }
  }
  for (int k = 0; k < t.out_rows; ++k) {
    float* out = t.out + k * t.out_stride;
    for (int v = 0; v < kVectors; ++v) {
      const int left = t.lanes - 16 * v;
      if (left <= 0) break;
      const __mmask16 mask = left >= 16 ? 0xffff : static_cast<__mmask16>((1U << left) - 1);
      __m512 value = sum[k][v];
      if (t.accumulate) {
        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, out + 16 * v));
      }
      _mm512_mask_storeu_ps(out + 16 * v, mask, value);
    }
  }
}

}  // namespace

void InterleaveBf16(const uint16_t* a, const uint16_t* b, int64_t channels, int block,
                    int64_t block_stride, uint16_t* out) {
  const __m512i low_index = PairIndex(0), high_index = PairIndex(16);
  for (int64_t c = 0; c < channels; c += 32) {
    const int64_t left = channels - c;
    const __mmask32 mask = left >= 32 ? 0xffffffff : (1U << left) - 1;
    const __m512i va = _mm512_maskz_loadu_epi16(mask, a + c);
    const __m512i vb = _mm512_maskz_loadu_epi16(mask, b + c);
    const __m512i low = _mm512_permutex2var_epi16(va, low_index, vb);
    const __m512i high = _mm512_permutex2var_epi16(va, high_index, vb);
    if (block == 32) {
      uint16_t* to = out + c / 32 * block_stride;
      _mm512_storeu_si512(to, low);
      _mm512_storeu_si512(to + 32, high);
      continue;
    }
    const __m256i eights[4] = {_mm512_castsi512_si256(low), _mm512_extracti64x4_epi64(low, 1),
                               _mm512_castsi512_si256(high), _mm512_extracti64x4_epi64(high, 1)};
    for (int i = 0; i < 4 && 8 * i < left; ++i) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (c / 8 + i) * block_stride), eights[i]);
    }
  }
}

void RunBf16Tile(const Bf16Tile& tile) {
  if (tile.lanes > 16) {
    Tile<2>(tile);
  } else {
    Tile<1>(tile);
  }
}

}  // namespace skytrain::training
