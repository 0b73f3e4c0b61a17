#include "server/training/optim/optimizer.h"

#include <limits>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"

namespace skytrain::training {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-8;

}  // namespace

Optimizer::Optimizer(const spec::OptimizerPlan& plan, const Model& model) : plan_(plan) {
  const bool adam = plan.kind != spec::OptimizerPlan::Kind::kSgd;
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.tensor.requires_grad()) continue;  // Frozen.
    Group& group = GroupOf(parameter);
    group.parameters.push_back(parameter.tensor);
    // zeros_like keeps the strides: the fused kernels walk memory, not indices.
    const auto add = [&](const char* kind, std::vector<at::Tensor>& list) {
      list.push_back(at::zeros_like(parameter.tensor).set_requires_grad(false));
      state_.push_back({absl::StrCat(kind, ".", parameter.name), list.back()});
    };
    if (adam) {
      add("exp_avg", group.first);
      add("exp_avg_sq", group.second);
    } else if (plan.momentum > 0.0) {
      add("momentum_buffer", group.first);
    }
  }
  if (adam && !model.parameters().empty()) {
    step_ = at::zeros({}, model.parameters()[0].tensor.options().requires_grad(false));
    state_.push_back({"step", step_});
  }
}

Optimizer::Group& Optimizer::GroupOf(const Parameter& parameter) {
  const double weight_decay = parameter.decay ? plan_.weight_decay : 0.0;
  for (Group& group : groups_) {
    if (group.weight_decay == weight_decay && group.lr_scale == parameter.lr_scale) return group;
  }
  groups_.emplace_back();
  groups_.back().weight_decay = weight_decay;
  groups_.back().lr_scale = parameter.lr_scale;
  return groups_.back();
}

std::vector<at::Tensor> Optimizer::Gradients(const Group& group) const {
  std::vector<at::Tensor> gradients;
  gradients.reserve(group.parameters.size());
  for (const at::Tensor& parameter : group.parameters) gradients.push_back(parameter.grad());
  return gradients;
}

void Optimizer::Step(double base_lr) {
  const at::NoGradGuard no_grad;
  if (step_.defined()) step_.add_(1.0);
  for (Group& group : groups_) {
    const double lr = base_lr * group.lr_scale;
    const std::vector<at::Tensor> gradients = Gradients(group);
    const std::vector<at::Tensor> steps(step_.defined() ? group.parameters.size() : 0, step_);
    switch (plan_.kind) {
      case spec::OptimizerPlan::Kind::kSgd:
        // A zero buffer after the first update is the gradient itself, so there is no first step.
        at::_fused_sgd_(group.parameters, gradients, group.first, group.weight_decay,
                        plan_.momentum, lr, /*dampening=*/0.0, plan_.nesterov, /*maximize=*/false,
                        /*is_first_step=*/false);
        break;
      case spec::OptimizerPlan::Kind::kAdam:
        at::_fused_adam_(group.parameters, gradients, group.first, group.second, {}, steps, lr,
                         kBeta1, kBeta2, group.weight_decay, kEpsilon, /*amsgrad=*/false,
                         /*maximize=*/false);
        break;
      case spec::OptimizerPlan::Kind::kAdamW:
        at::_fused_adamw_(group.parameters, gradients, group.first, group.second, {}, steps, lr,
                          kBeta1, kBeta2, group.weight_decay, kEpsilon, /*amsgrad=*/false,
                          /*maximize=*/false);
        break;
    }
    // The fused kernels do not count their changes, by which working copies know that they are old.
    for (const at::Tensor& parameter : group.parameters) {
      parameter.unsafeGetTensorImpl()->bump_version();
    }
  }
}

void Optimizer::ClearGradients() {
  for (const Group& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) parameter.mutable_grad() = at::Tensor();
  }
}

at::Tensor Optimizer::GradientNorm() const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const Group& group : groups_) {
    for (at::Tensor& gradient : Gradients(group)) {
      if (!gradient.defined()) return at::full({}, std::numeric_limits<double>::quiet_NaN());
      gradients.push_back(std::move(gradient));
    }
  }
  return at::stack(at::_foreach_norm(gradients)).norm();
}

void Optimizer::ClipGradients(double max_norm) {
  const at::NoGradGuard no_grad;
  const at::Tensor scale = (max_norm / (GradientNorm() + 1e-6)).clamp_max(1.0);
  for (const Group& group : groups_) {
    at::_foreach_mul_(Gradients(group), scale);
  }
}

std::vector<NamedTensor> Optimizer::State() const { return state_; }

}  // namespace skytrain::training
