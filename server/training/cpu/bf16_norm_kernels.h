#pragma once

#include <cstdint>

// Inner loops of batch normalisation over bfloat16 rows of channels, for AVX-512 BF16: the rules of
// bf16_kernels.h. Every pointer to channels starts at channel 0; rows lie `channels` values apart.

namespace skytrain::training {

// sum[c] = Σ (x - shift[c]), square[c] = Σ (x - shift[c])² over `rows`.
void NormSums(const uint16_t* x, int64_t rows, int64_t channels, const float* shift, float* sum,
              float* square);

// y = x * scale + shift, + residual where not null, then max(0, ·) where `relu`.
void NormApply(const uint16_t* x, const uint16_t* residual, int64_t rows, int64_t channels,
               const float* scale, const float* shift, bool relu, uint16_t* y);

// With g = gradient, or 0 where y (null: no ReLU) is not positive:
// sum[c] = Σ g, product[c] = Σ g (x - mean[c]).
void NormGradientSums(const uint16_t* gradient, const uint16_t* y, const uint16_t* x, int64_t rows,
                      int64_t channels, const float* mean, float* sum, float* product);

// of_x = a g + b x + c; of_residual = g where not null.
void NormGradientApply(const uint16_t* gradient, const uint16_t* y, const uint16_t* x, int64_t rows,
                       int64_t channels, const float* a, const float* b, const float* c,
                       uint16_t* of_x, uint16_t* of_residual);

}  // namespace skytrain::training
