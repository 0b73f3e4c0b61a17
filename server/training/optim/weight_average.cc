#include "server/training/optim/weight_average.h"

#include <algorithm>
#include <cmath>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"

namespace skytrain::training {

WeightAverage::WeightAverage(const Model& model) : state_(model.State()) {
  const at::NoGradGuard no_grad;
  for (NamedTensor& named : state_) {
    if (!named.tensor.is_floating_point()) continue;
    model_.push_back(named.tensor);
    // Keeps the strides, so that lerp walks memory.
    named.tensor = named.tensor.detach().clone();
    average_.push_back(named.tensor);
  }
}

void WeightAverage::Take(double share) {
  const at::NoGradGuard no_grad;
  at::_foreach_lerp_(average_, model_, share);
}

std::vector<NamedTensor> WeightAverage::State() const { return state_; }

void WeightAverage::Exchange() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < model_.size(); ++i) {
    const at::Tensor kept = model_[i].clone();
    model_[i].copy_(average_[i]);
    average_[i].copy_(kept);
  }
}

double ExponentialShare(double decay, int64_t step) {
  const double warm = static_cast<double>(1 + step) / static_cast<double>(10 + step);
  return 1.0 - std::min(decay, warm);
}

int EpochsBeforeMean(double start, int epochs) {
  // 0.7 of 10 is 7, whatever the binary fractions make of it.
  const int before = static_cast<int>(std::floor(start * epochs + 1e-9));
  return std::clamp(before, 0, epochs - 1);
}

}  // namespace skytrain::training
