#pragma once

#include "ATen/core/Tensor.h"

namespace skytrain::training {

// The tensors of a BatchNorm2d, each [channels], float32.
struct NormTensors {
  const at::Tensor &weight, &bias, &running_mean, &running_var;
};

inline constexpr double kNormMomentum = 0.1;
inline constexpr double kNormEpsilon = 1e-5;

// Whether Bf16BatchNorm can take `x`.
bool HasBf16BatchNorm(const at::Tensor& x);

// Batch normalisation in training mode of bfloat16 `x` [N, C, H, W], channels_last on a CPU with
// AVX-512 BF16, plus `residual` (of x's shape and type) where that is defined, and the ReLU of all
// that where `relu`: two passes over memory forward and two backward, where separate operations
// take nine. Statistics are sums over fixed blocks of rows, so the bits do not depend on the number
// of threads. Updates the running statistics as torch.nn.BatchNorm2d does.
at::Tensor Bf16BatchNorm(const at::Tensor& x, const NormTensors& norm, const at::Tensor& residual,
                         bool relu);

}  // namespace skytrain::training
