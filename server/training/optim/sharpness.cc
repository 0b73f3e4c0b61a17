#include "server/training/optim/sharpness.h"

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "server/training/models/convolution.h"

namespace skytrain::training {
namespace {

constexpr double kSmallestNorm = 1e-12;
constexpr double kSmallestSize = 0.01;  // Of a weight, in ASAM: eta of the paper.

}  // namespace

SharpnessAware::SharpnessAware(double rho, bool adaptive, const Optimizer& optimizer)
    : rho_(rho), adaptive_(adaptive), optimizer_(optimizer), weights_(optimizer.Parameters()) {
  for (const at::Tensor& weight : weights_) kept_.push_back(at::empty_like(weight));
}

void SharpnessAware::Climb() {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> gradients = optimizer_.Gradients();
  std::vector<at::Tensor> directions;
  directions.reserve(gradients.size());
  std::vector<at::Tensor> sizes;
  for (size_t i = 0; i < weights_.size(); ++i) {
    kept_[i].copy_(weights_[i]);
    if (adaptive_) sizes.push_back(weights_[i].abs().add_(kSmallestSize));
    directions.push_back(adaptive_ ? gradients[i] * sizes[i] : gradients[i]);
  }
  const at::Tensor norm = at::stack(at::_foreach_norm(directions)).norm();
  const at::Tensor scale = rho_ / (norm + kSmallestNorm);
  for (size_t i = 0; i < weights_.size(); ++i) {
    weights_[i].add_((adaptive_ ? directions[i] * sizes[i] : directions[i]) * scale);
    WorkingCopy::Outdate(weights_[i]);
  }
}

void SharpnessAware::Return() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < weights_.size(); ++i) {
    weights_[i].copy_(kept_[i]);
    WorkingCopy::Outdate(weights_[i]);
  }
}

}  // namespace skytrain::training
