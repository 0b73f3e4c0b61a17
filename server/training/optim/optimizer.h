#pragma once

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// SGD, Adam or AdamW over a model's parameters that are not frozen, one fused kernel a group:
// parameters that decay, and norms and biases, which do not; of each learning rate. Not
// thread-safe. Every such parameter must have a gradient when Step or GradientNorm is called.
class Optimizer {
 public:
  // `model` must be prepared and outlive the optimizer.
  Optimizer(const spec::OptimizerPlan& plan, const Model& model);

  // `base_lr`: of parameters with an lr_scale of 1.
  void Step(double base_lr);
  // Frees the gradients; the next backward pass makes new ones.
  void ClearGradients();

  // Euclidean norm over all gradients, on their device. NaN before the first backward pass.
  at::Tensor GradientNorm() const;
  // Scales the gradients by min(1, max_norm / norm) without waiting for the device.
  void ClipGradients(double max_norm);

  // What a checkpoint holds: "exp_avg.NAME" and "exp_avg_sq.NAME" or "momentum_buffer.NAME", and
  // "step" for Adam. Shares memory with the optimizer.
  std::vector<NamedTensor> State() const;

 private:
  struct Group {
    double weight_decay = 0.0;
    double lr_scale = 1.0;
    std::vector<at::Tensor> parameters, first, second;
  };
  Group& GroupOf(const Parameter& parameter);
  std::vector<at::Tensor> Gradients(const Group& group) const;

  spec::OptimizerPlan plan_;
  std::vector<Group> groups_;
  std::vector<NamedTensor> state_;
  at::Tensor step_;  // float32 scalar, shared by all parameters.
};

}  // namespace skytrain::training
