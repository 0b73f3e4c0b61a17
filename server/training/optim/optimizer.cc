#include "server/training/optim/optimizer.h"

#include <limits>
#include <string>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"
#include "server/training/models/convolution.h"
#include "server/training/optim/muon.h"

namespace skytrain::training {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-8;

// The first layer's weight: the first parameter that is neither norm, bias nor embedding.
std::string FirstWeight(const Model& model) {
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.decay) return parameter.name;
  }
  return "";
}

}  // namespace

Optimizer::Optimizer(const spec::OptimizerPlan& plan, const Model& model) : plan_(plan) {
  // As the method is published; in float32 where the layers are.
  if (model.precision() == spec::Precision::kBf16) muon_type_ = at::kBFloat16;
  const std::string first_weight = FirstWeight(model);
  const auto kind_of = [&](const Parameter& parameter) {
    if (plan.kind != Kind::kMuon) return plan.kind;
    const bool hidden = parameter.decay && parameter.tensor.dim() >= 2 &&
                        parameter.name != first_weight &&
                        parameter.name != model.Head() + ".weight";
    return hidden ? Kind::kMuon : Kind::kAdamW;
  };
  bool adam = false;
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.tensor.requires_grad()) continue;  // Frozen.
    const Kind kind = kind_of(parameter);
    Group& group = GroupOf(kind, parameter);
    group.parameters.push_back(parameter.tensor);
    // zeros_like keeps the strides: the fused kernels walk memory, not indices.
    const auto add = [&](const char* name, std::vector<at::Tensor>& list) {
      list.push_back(at::zeros_like(parameter.tensor).set_requires_grad(false));
      state_.push_back({absl::StrCat(name, ".", parameter.name), list.back()});
    };
    if (kind == Kind::kAdam || kind == Kind::kAdamW) {
      adam = true;
      add("exp_avg", group.first);
      add("exp_avg_sq", group.second);
    } else if (kind == Kind::kMuon || plan.momentum > 0.0) {
      add("momentum_buffer", group.first);
    }
  }
  if (adam) {
    step_ = at::zeros({}, model.parameters()[0].tensor.options().requires_grad(false));
    state_.push_back({"step", step_});
  }
}

Optimizer::Group& Optimizer::GroupOf(Kind kind, const Parameter& parameter) {
  const double weight_decay = parameter.decay ? plan_.weight_decay : 0.0;
  const bool beside_muon = plan_.kind == Kind::kMuon && kind == Kind::kAdamW;
  const double lr_scale = parameter.lr_scale * (beside_muon ? plan_.adamw_lr / plan_.lr : 1.0);
  for (Group& group : groups_) {
    if (group.kind == kind && group.weight_decay == weight_decay && group.lr_scale == lr_scale) {
      return group;
    }
  }
  groups_.emplace_back();
  groups_.back().kind = kind;
  groups_.back().weight_decay = weight_decay;
  groups_.back().lr_scale = lr_scale;
  return groups_.back();
}

std::vector<at::Tensor> Optimizer::Parameters() const {
  std::vector<at::Tensor> parameters;
  for (const Group& group : groups_) {
    parameters.insert(parameters.end(), group.parameters.begin(), group.parameters.end());
  }
  return parameters;
}

std::vector<at::Tensor> Optimizer::Gradients() const {
  std::vector<at::Tensor> gradients;
  for (const Group& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) gradients.push_back(parameter.grad());
  }
  return gradients;
}

void Optimizer::Step(const at::Tensor& base_lr) {
  const at::NoGradGuard no_grad;
  if (step_.defined()) step_.add_(1.0);
  for (Group& group : groups_) {
    StepGroup(group, base_lr * group.lr_scale);
    // The fused kernels do not count their changes.
    for (const at::Tensor& parameter : group.parameters) WorkingCopy::Outdate(parameter);
  }
}

void Optimizer::StepGroup(Group& group, const at::Tensor& lr) {
  std::vector<at::Tensor> gradients;
  gradients.reserve(group.parameters.size());
  for (const at::Tensor& parameter : group.parameters) gradients.push_back(parameter.grad());
  const std::vector<at::Tensor> steps(group.second.size(), step_);
  switch (group.kind) {
    case Kind::kSgd:
      // A zero buffer after the first update is the gradient itself, so there is no first step.
      at::_fused_sgd_(group.parameters, gradients, group.first, group.weight_decay, plan_.momentum,
                      lr, /*dampening=*/0.0, plan_.nesterov, /*maximize=*/false,
                      /*is_first_step=*/false);
      break;
    case Kind::kAdam:
      at::_fused_adam_(group.parameters, gradients, group.first, group.second, {}, steps, lr,
                       kBeta1, kBeta2, group.weight_decay, kEpsilon, /*amsgrad=*/false,
                       /*maximize=*/false);
      break;
    case Kind::kAdamW:
      at::_fused_adamw_(group.parameters, gradients, group.first, group.second, {}, steps, lr,
                        kBeta1, kBeta2, group.weight_decay, kEpsilon, /*amsgrad=*/false,
                        /*maximize=*/false);
      break;
    case Kind::kMuon:
      for (size_t i = 0; i < group.parameters.size(); ++i) {
        StepByMuon(group.parameters[i], gradients[i], group.first[i],
                   {lr, plan_.momentum, group.weight_decay, muon_type_});
      }
      break;
  }
}

void Optimizer::ClearGradients() {
  for (const Group& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) parameter.mutable_grad() = at::Tensor();
  }
}

at::Tensor Optimizer::GradientNorm() const {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> gradients = Gradients();
  for (const at::Tensor& gradient : gradients) {
    if (!gradient.defined()) return at::full({}, std::numeric_limits<double>::quiet_NaN());
  }
  return at::stack(at::_foreach_norm(gradients)).norm();
}

void Optimizer::ClipGradients(double max_norm) {
  const at::NoGradGuard no_grad;
  const at::Tensor scale = (max_norm / (GradientNorm() + 1e-6)).clamp_max(1.0);
  at::_foreach_mul_(Gradients(), scale);
}

std::vector<NamedTensor> Optimizer::State() const { return state_; }

}  // namespace skytrain::training
