#include "server/training/cpu/bf16_norm_kernels.h"

#include <immintrin.h>

namespace skytrain::training {
namespace {

// Channels that a pass over the rows keeps in registers: one or two cache lines of each row.
constexpr int64_t kLanes = 16;
constexpr int kVectors = 4;

struct Vectors {
  __m512 v[kVectors];
};

// What of the channels from `first` on one pass takes, sixteen a mask.
struct Span {
  int64_t first;
  __mmask16 mask[kVectors];

  Span(int64_t first, int64_t channels) : first(first) {
    for (int i = 0; i < kVectors; ++i) {
      const int64_t left = channels - first - kLanes * i;
      mask[i] = left >= kLanes ? 0xffff : left <= 0 ? 0 : static_cast<__mmask16>((1U << left) - 1);
    }
  }
};

__m512 Widen(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

__m512 LoadBf16(__mmask16 mask, const uint16_t* from) {
  return Widen(_mm256_maskz_loadu_epi16(mask, from));
}

void StoreBf16(__mmask16 mask, __m512 value, uint16_t* to) {
  _mm256_mask_storeu_epi16(to, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
}

Vectors Load(const Span& span, const float* from) {
  Vectors out;
  for (int i = 0; i < kVectors; ++i) {
    out.v[i] = _mm512_maskz_loadu_ps(span.mask[i], from + span.first + kLanes * i);
  }
  return out;
}

void Store(const Span& span, const Vectors& from, float* to) {
  for (int i = 0; i < kVectors; ++i) {
    _mm512_mask_storeu_ps(to + span.first + kLanes * i, span.mask[i], from.v[i]);
  }
}

Vectors Zeros() {
  Vectors out;
  for (__m512& v : out.v) v = _mm512_setzero_ps();
  return out;
}

// gradient[at], or 0 where y[at] is not positive.
template <bool kRelu>
__m512 Gated(__mmask16 mask, const uint16_t* gradient, const uint16_t* y, int64_t at) {
  if constexpr (kRelu) {
    // y is never negative, so its bits are zero (of either sign) where it is not positive.
    const __m256i bits = _mm256_maskz_loadu_epi16(mask, y + at);
    mask = _mm256_mask_test_epi16_mask(mask, bits, _mm256_set1_epi16(0x7fff));
  }
  return LoadBf16(mask, gradient + at);
}

template <bool kRelu, bool kResidual>
void Apply(const uint16_t* x, const uint16_t* residual, int64_t rows, int64_t channels,
           const float* scale, const float* shift, uint16_t* y) {
  for (int64_t first = 0; first < channels; first += kLanes * kVectors) {
    const Span span(first, channels);
    const Vectors factor = Load(span, scale), term = Load(span, shift);
    for (int64_t row = 0; row < rows; ++row) {
      for (int i = 0; i < kVectors; ++i) {
        const int64_t at = row * channels + first + kLanes * i;
        __m512 value = _mm512_fmadd_ps(LoadBf16(span.mask[i], x + at), factor.v[i], term.v[i]);
        if (kResidual) value = _mm512_add_ps(value, LoadBf16(span.mask[i], residual + at));
        // In this order a NaN stays one.
        if (kRelu) value = _mm512_max_ps(_mm512_setzero_ps(), value);
        StoreBf16(span.mask[i], value, y + at);
      }
    }
  }
}

template <bool kRelu>
void GradientSums(const uint16_t* gradient, const uint16_t* y, const uint16_t* x, int64_t rows,
                  int64_t channels, const float* mean, float* sum, float* product) {
  for (int64_t first = 0; first < channels; first += kLanes * kVectors) {
    const Span span(first, channels);
    const Vectors middle = Load(span, mean);
    Vectors sums = Zeros(), products = Zeros();
    for (int64_t row = 0; row < rows; ++row) {
      for (int i = 0; i < kVectors; ++i) {
        const int64_t at = row * channels + first + kLanes * i;
        const __m512 g = Gated<kRelu>(span.mask[i], gradient, y, at);
        sums.v[i] = _mm512_add_ps(sums.v[i], g);
        products.v[i] = _mm512_fmadd_ps(
            g, _mm512_sub_ps(LoadBf16(span.mask[i], x + at), middle.v[i]), products.v[i]);
      }
    }
    Store(span, sums, sum);
    Store(span, products, product);
  }
}

template <bool kRelu>
void GradientApply(const uint16_t* gradient, const uint16_t* y, const uint16_t* x, int64_t rows,
                   int64_t channels, const float* a, const float* b, const float* c, uint16_t* of_x,
                   uint16_t* of_residual) {
  for (int64_t first = 0; first < channels; first += kLanes * kVectors) {
    const Span span(first, channels);
    const Vectors va = Load(span, a), vb = Load(span, b), vc = Load(span, c);
    for (int64_t row = 0; row < rows; ++row) {
      for (int i = 0; i < kVectors; ++i) {
        const int64_t at = row * channels + first + kLanes * i;
        const __m512 g = Gated<kRelu>(span.mask[i], gradient, y, at);
        const __m512 value = _mm512_fmadd_ps(
            g, va.v[i], _mm512_fmadd_ps(LoadBf16(span.mask[i], x + at), vb.v[i], vc.v[i]));
        StoreBf16(span.mask[i], value, of_x + at);
        if (of_residual != nullptr) StoreBf16(span.mask[i], g, of_residual + at);
      }
    }
  }
}

}  // namespace

void NormSums(const uint16_t* x, int64_t rows, int64_t channels, const float* shift, float* sum,
              float* square) {
  for (int64_t first = 0; first < channels; first += kLanes * kVectors) {
    const Span span(first, channels);
    const Vectors middle = Load(span, shift);
    Vectors sums = Zeros(), squares = Zeros();
    for (int64_t row = 0; row < rows; ++row) {
      for (int i = 0; i < kVectors; ++i) {
        const int64_t at = row * channels + first + kLanes * i;
        const __m512 value = _mm512_sub_ps(LoadBf16(span.mask[i], x + at), middle.v[i]);
        sums.v[i] = _mm512_add_ps(sums.v[i], value);
        squares.v[i] = _mm512_fmadd_ps(value, value, squares.v[i]);
      }
    }
    Store(span, sums, sum);
    Store(span, squares, square);
  }
}

void NormApply(const uint16_t* x, const uint16_t* residual, int64_t rows, int64_t channels,
               const float* scale, const float* shift, bool relu, uint16_t* y) {
  if (residual != nullptr) {
    relu ? Apply<true, true>(x, residual, rows, channels, scale, shift, y)
         : Apply<false, true>(x, residual, rows, channels, scale, shift, y);
  } else {
    relu ? Apply<true, false>(x, residual, rows, channels, scale, shift, y)
         : Apply<false, false>(x, residual, rows, channels, scale, shift, y);
  }
}

void NormGradientSums(const uint16_t* gradient, const uint16_t* y, const uint16_t* x, int64_t rows,
                      int64_t channels, const float* mean, float* sum, float* product) {
  y != nullptr ? GradientSums<true>(gradient, y, x, rows, channels, mean, sum, product)
               : GradientSums<false>(gradient, y, x, rows, channels, mean, sum, product);
}

void NormGradientApply(const uint16_t* gradient, const uint16_t* y, const uint16_t* x, int64_t rows,
                       int64_t channels, const float* a, const float* b, const float* c,
                       uint16_t* of_x, uint16_t* of_residual) {
  y != nullptr ? GradientApply<true>(gradient, y, x, rows, channels, a, b, c, of_x, of_residual)
               : GradientApply<false>(gradient, y, x, rows, channels, a, b, c, of_x, of_residual);
}

}  // namespace skytrain::training
