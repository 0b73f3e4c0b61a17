#pragma once

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// SGD, Adam, AdamW or Muon over a model's parameters that are not frozen. They are grouped by rule,
// by learning rate, and by whether they decay (norms and biases do not); a group is one fused
// kernel, but for Muon's. Muon steps the matrices and convolutions between the first layer and the
// head; AdamW, with a learning rate of its own, all else. Not thread-safe. Every such parameter
// must have a gradient when Step or GradientNorm is called.
class Optimizer {
 public:
  // `model` must be prepared and outlive the optimizer.
  Optimizer(const spec::OptimizerPlan& plan, const Model& model);

  // `base_lr`: of parameters with an lr_scale of 1. Of Muon's; AdamW's beside them is the plan's
  // adamw_lr times base_lr over the plan's lr. A scalar, float64 on the CPU or float32 on the
  // parameters' device. The latter is read there, when the step runs: a recorded step follows what
  // the tensor holds.
  void Step(const at::Tensor& base_lr);
  // Frees the gradients; the next backward pass makes new ones.
  void ClearGradients();

  // Euclidean norm over all gradients, on their device. NaN before the first backward pass.
  at::Tensor GradientNorm() const;
  // Scales the gradients by min(1, max_norm / norm) without waiting for the device.
  void ClipGradients(double max_norm);

  // What is stepped, and the gradients in the same order.
  std::vector<at::Tensor> Parameters() const;
  std::vector<at::Tensor> Gradients() const;

  // What a checkpoint holds: "exp_avg.NAME" and "exp_avg_sq.NAME" or "momentum_buffer.NAME", and
  // "step" for Adam. Shares memory with the optimizer.
  std::vector<NamedTensor> State() const;

 private:
  using Kind = spec::OptimizerPlan::Kind;
  struct Group {
    Kind kind = Kind::kSgd;
    double weight_decay = 0.0;
    double lr_scale = 1.0;
    std::vector<at::Tensor> parameters, first, second;
  };
  Group& GroupOf(Kind kind, const Parameter& parameter);
  void StepGroup(Group& group, const at::Tensor& lr);

  spec::OptimizerPlan plan_;
  at::ScalarType muon_type_ = at::kFloat;
  std::vector<Group> groups_;
  std::vector<NamedTensor> state_;
  at::Tensor step_;  // float32 scalar, shared by all parameters.
};

}  // namespace skytrain::training
