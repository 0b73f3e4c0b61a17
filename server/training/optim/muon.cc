#include "server/training/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "ATen/ATen.h"

namespace skytrain::training {
namespace {

constexpr int kSteps = 5;
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr double kEpsilon = 1e-7;

// [out, in * h * w] of a tensor of `weight`'s shape. Columns are in the order of the weight's
// memory, which saves copies; the step does not depend on it.
at::Tensor AsMatrix(const at::Tensor& tensor, const at::Tensor& weight) {
  if (weight.dim() == 2) return tensor;
  const bool last = weight.is_contiguous(at::MemoryFormat::ChannelsLast);
  return (last ? tensor.permute({0, 2, 3, 1}) : tensor).reshape({weight.size(0), -1});
}

}  // namespace

at::Tensor Orthogonalised(const at::Tensor& matrix, at::ScalarType type) {
  // The products are of the size of the shorter side.
  const bool tall = matrix.size(0) > matrix.size(1);
  at::Tensor x = tall ? matrix.t() : matrix;
  // In float32: the squares of small gradients would vanish.
  x = (x / (x.norm() + kEpsilon)).to(type).contiguous();
  for (int i = 0; i < kSteps; ++i) {
    const at::Tensor square = at::mm(x, x.t());
    const at::Tensor factor = at::addmm(square, square, square, /*beta=*/kB, /*alpha=*/kC);
    x = at::addmm(x, factor, x, /*beta=*/kA, /*alpha=*/1.0);
  }
  x = x.to(at::kFloat);
  return tall ? x.t() : x;
}

void StepByMuon(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& buffer,
                const MuonStep& step) {
  buffer.lerp_(gradient, 1.0 - step.momentum);
  const at::Tensor matrix = AsMatrix(weight, weight);  // A view.
  at::Tensor direction =
      Orthogonalised(AsMatrix(gradient.lerp(buffer, step.momentum), weight), step.type);
  const double shape = static_cast<double>(matrix.size(0)) / static_cast<double>(matrix.size(1));
  matrix.mul_(1.0 - step.lr * step.weight_decay);
  matrix.sub_(direction.mul_(step.lr * std::sqrt(std::max(1.0, shape))));
}

}  // namespace skytrain::training
