#include "server/training/optim/weight_average.h"

#include <algorithm>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"

namespace skytrain::training {

WeightAverage::WeightAverage(double decay, const Model& model)
    : decay_(decay), state_(model.State()) {
  const at::NoGradGuard no_grad;
  for (NamedTensor& named : state_) {
    if (!named.tensor.is_floating_point()) continue;
    model_.push_back(named.tensor);
    // Keeps the strides, so that lerp walks memory.
    named.tensor = named.tensor.detach().clone();
    average_.push_back(named.tensor);
  }
}

void WeightAverage::Update(int64_t step) {
  const at::NoGradGuard no_grad;
  const double warm = static_cast<double>(1 + step) / static_cast<double>(10 + step);
  at::_foreach_lerp_(average_, model_, 1.0 - std::min(decay_, warm));
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

}  // namespace skytrain::training
