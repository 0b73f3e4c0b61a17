#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/training/checkpoint/checkpoint.h"
#include "server/training/loop/loss_log.h"
#include "server/training/loop/progress_meter.h"
#include "server/training/loop/training_parts.h"
#include "server/training/loop/training_run.h"
#include "server/training/models/model.h"
#include "server/training/optim/weight_average.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// Trains one model on one device: epochs of shuffled, augmented batches, a validation after each,
// checkpoints, and at the end a test of the epoch that train.select prefers. Everything drawn is a
// pure function of (seed, epoch, position), so that a resumed run goes on as an unbroken one would.
// A plan with find_lr looks for a learning rate instead (find_lr.h). Not thread-safe.
class Trainer {
 public:
  // FAILED_PRECONDITION (DATA_INVALID) when the data does not fit the plan.
  static absl::StatusOr<std::unique_ptr<Trainer>> Make(TrainerOptions options);

  // Before Run. DATA_LOSS (CHECKPOINT_CORRUPT) when it is not of this model; with
  // train.deterministic also when it was made under another identity.
  absl::Status Restore(const Checkpoint& checkpoint);

  // Errors of checkpoint writing and of the sink.
  absl::StatusOr<TrainingOutcome> Run();

  // After COMPLETED: with the published weights.
  Model& model() { return *parts_.model; }
  const Task& task() const { return *parts_.task; }
  const TaskFacts& facts() const { return parts_.facts; }
  const BatchSource& source() const { return *parts_.source; }
  const TrainingState& state() const { return state_; }
  const Normalisation& normalisation() const { return parts_.source->normalisation(); }

 private:
  Trainer(TrainerOptions options, TrainingParts parts);

  // Each may end the run by filling in outcome_.
  absl::Status TrainEpoch(int epoch);
  absl::Status AfterStep(int epoch);
  absl::Status FinishEpoch(int epoch);
  absl::Status Finish();
  absl::Status SaveCheckpoint();
  absl::Status StopHere(absl::string_view where);

  double LearningRateNow(int epoch) const;
  // Whether the weights at the end of `epoch` go into the mean of train.swa.
  bool IsAveraged(int epoch) const;
  // Whether there is an average that stands for the model: always with train.ema, with train.swa
  // from the first epoch on that went into it.
  bool HasAverage() const;
  std::vector<NamedTensor> ValidatedState() const;
  // Takes the model at the end of `epoch` into the mean. CANCELLED when asked to stop.
  absl::Status TakeIntoMean(int epoch);
  // Of the weights that count: the average's, where there is one. CANCELLED when asked to stop.
  absl::StatusOr<v1::EvaluationReport> Measure(const std::vector<int64_t>& samples,
                                               const std::string& split);
  absl::StatusOr<v1::EvaluationReport> Validate(int epoch);
  void UpdateBest(const v1::EvaluationReport& report, int epoch);
  bool Flush(int epoch);  // False when a loss is not finite.
  void EndNonFinite(const std::string& what, int64_t step, int epoch, double lr);
  bool ended() const { return outcome_.end != v1::ATTEMPT_END_UNSPECIFIED; }

  TrainerOptions options_;
  TrainingParts parts_;
  std::unique_ptr<WeightAverage> average_;  // Null: none.
  std::unique_ptr<ProgressMeter> meter_;
  LossLog losses_;

  TrainingState state_;
  int64_t last_good_ = -1;         // Step of the newest checkpoint that is known to be whole.
  std::vector<NamedTensor> best_;  // On the CPU.
  bool checkpoint_due_ = false;    // Asked for in an epoch's last step: written after validation.
  TrainingOutcome outcome_;
};

}  // namespace skytrain::training
