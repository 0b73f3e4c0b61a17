#pragma once

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "server/training/cpu/conv_weight_gradient.h"

namespace skytrain::training {

// A float32 parameter's copy in bfloat16. Renewed when the parameter has changed since, so a step
// that uses the weights several times makes it once.
class WorkingCopy {
 public:
  const at::Tensor& Of(const at::Tensor& parameter) const;

  // Makes every copy of `parameter` old: for changes that LibTorch does not count, as those of
  // fused kernels and of recorded steps.
  static void Outdate(const at::Tensor& parameter);

 private:
  mutable at::Tensor copy_;
  mutable uint32_t version_ = 0;
};

// Convolution of bfloat16 `x` [N, C, H, W] with `copy`, the working copy of the float32 parameter
// `weight` [K, C, kernel, kernel], which gets its gradient in float32 (plain autograd would round
// it to bfloat16 on the way).
at::Tensor Bf16Convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& copy,
                           const ConvGeometry& geometry);

}  // namespace skytrain::training
