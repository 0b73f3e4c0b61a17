#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "ATen/core/Tensor.h"
#include "server/spec/plan.h"
#include "server/training/gpu/step_graph.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/recorded_step.h"
#include "server/training/models/model.h"
#include "server/training/optim/optimizer.h"
#include "server/training/optim/sharpness.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// One optimizer step: forward and backward through the batch, in parts where the plan says
// micro_batch, twice where it says SAM; then clipping, and the optimizer. Not thread-safe.
class TrainingStep {
 public:
  using Found = StepFound;
  // Asked before the last part's backward pass, when of an undivided batch the gradients of the
  // step before are still there. False: the step ends here, and no weight changes. Of a step that a
  // graph does asked when all of it was started: false then only ends the run.
  using Look = std::function<bool(const Found&)>;

  // All must outlive it. `graph`: records the step (recorded_step.h); null: it runs kernel by
  // kernel, as batches of other shapes than the first always do.
  TrainingStep(const spec::TrainingPlan& plan, Model& model, const Task& task, Optimizer& optimizer,
               std::unique_ptr<StepGraph> graph = nullptr);
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  // `step`: optimizer steps done before, by which is drawn what is dropped. Of SAM's two passes
  // both drop the same, and only the first changes norms' running statistics.
  bool Run(const Batch& batch, int64_t step, double lr, const Look& look);

 private:
  bool Compute(const StepValues& values, const Look& look);
  bool Pass(const StepValues& values, const Look& look);

  const spec::TrainingPlan& plan_;
  Model& model_;
  const Task& task_;
  Optimizer& optimizer_;
  std::optional<SharpnessAware> sharpness_;
  std::optional<RecordedStep> recorded_;
};

}  // namespace skytrain::training
