#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "ATen/core/Tensor.h"
#include "server/spec/plan.h"
#include "server/training/input/batch_stream.h"
#include "server/training/models/model.h"
#include "server/training/optim/optimizer.h"
#include "server/training/optim/sharpness.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// One optimizer step: forward and backward through the batch, in parts where the plan says
// micro_batch, twice where it says SAM; then clipping, and the optimizer. Not thread-safe.
class TrainingStep {
 public:
  // What the batch's (first) pass found, on the device.
  struct Found {
    at::Tensor loss;       // float32 scalar: the batch's mean.
    at::Tensor train_sum;  // Task::TrainSum.
  };
  // Asked before the last part's backward pass, when of an undivided batch the gradients of the
  // step before are still there. False: the step ends here, and no weight changes.
  using Look = std::function<bool(const Found&)>;

  // All must outlive it.
  TrainingStep(const spec::TrainingPlan& plan, Model& model, const Task& task,
               Optimizer& optimizer);

  // `step`: optimizer steps done before, by which is drawn what is dropped. Of SAM's two passes
  // both drop the same, and only the first changes norms' running statistics.
  bool Run(const Batch& batch, int64_t step, double lr, const Look& look);

 private:
  bool Pass(const Batch& batch, int64_t step, const Look& look);

  const spec::TrainingPlan& plan_;
  Model& model_;
  const Task& task_;
  Optimizer& optimizer_;
  std::optional<SharpnessAware> sharpness_;
};

}  // namespace skytrain::training
