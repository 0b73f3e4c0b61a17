#pragma once

#include "ATen/core/Tensor.h"

namespace skytrain::training {

// Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): steps a matrix along its momentum
// made orthogonal. What torch.optim.Muon does, of convolutions too.

// Nearly U V^T of `matrix` = U S V^T, float32 [M, N]: five steps of the quintic Newton-Schulz
// iteration x -> 3.4445 x - 4.7750 x^3 + 2.0315 x^5, which brings singular values to about 0.7 to
// 1.2. Multiplies in `type`, float32 or bfloat16. Permuted columns of `matrix` give permuted
// columns.
at::Tensor Orthogonalised(const at::Tensor& matrix, at::ScalarType type);

struct MuonStep {
  at::Tensor lr;  // As of Optimizer::Step.
  double momentum = 0.95;
  double weight_decay = 0.0;
  at::ScalarType type = at::kFloat;  // Of the products.
};

// buffer = momentum * buffer + (1 - momentum) * gradient, and
// weight = (1 - lr * weight_decay) * weight -
//          lr * sqrt(max(1, rows / columns)) * Orthogonalised(lerp(gradient, buffer, momentum)).
// All of one shape, [out, in] or [out, in, h, w], which is a matrix [out, in * h * w]. Call without
// gradient recording.
void StepByMuon(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& buffer,
                const MuonStep& step);

}  // namespace skytrain::training
