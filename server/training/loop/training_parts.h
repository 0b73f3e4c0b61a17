#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/training_run.h"
#include "server/training/loop/training_step.h"
#include "server/training/models/model.h"
#include "server/training/optim/optimizer.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// What training works with: batches, the task, the model with its starting weights, prepared for
// the device, and what steps it.
struct TrainingParts {
  std::unique_ptr<BatchSource> source;
  TaskFacts facts;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<TrainingStep> step;
  int64_t steps_per_epoch = 0;
};

// FAILED_PRECONDITION (DATA_INVALID) when the data does not fit the plan.
absl::StatusOr<TrainingParts> MakeTrainingParts(const TrainerOptions& options);

// Of training epoch `epoch` (from 1): shuffled, augmented, mixed; a pure function of the plan's
// seed and the epoch.
BatchOrder EpochOrderOf(const TrainerOptions& options, int epoch);

}  // namespace skytrain::training
