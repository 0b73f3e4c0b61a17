#pragma once

#include "absl/status/statusor.h"
#include "server/training/loop/training_parts.h"
#include "server/training/loop/training_run.h"

namespace skytrain::training {

// The learning-rate range test of a plan with find_lr (optim/lr_range_test.h) instead of training.
// Tells "find_lr/lr", "find_lr/loss" and its moving average "find_lr/smoothed_loss" of each step,
// and "find_lr/suggestion", as the outcome's message does too. Batches are those of training,
// epoch after epoch; schedule, averages and checkpoints play no part, and a run that was stopped
// starts anew. COMPLETED also where nothing can be suggested, which the message then says;
// NON_FINITE_LOSS where the very first loss is not finite.
absl::StatusOr<TrainingOutcome> FindLearningRate(const TrainerOptions& options,
                                                 TrainingParts& parts);

}  // namespace skytrain::training
