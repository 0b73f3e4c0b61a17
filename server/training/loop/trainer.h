#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/clock.h"
#include "server/data/dataset.h"
#include "server/spec/plan.h"
#include "server/training/checkpoint/checkpoint.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/event_sink.h"
#include "server/training/loop/progress_meter.h"
#include "server/training/loop/run_control.h"
#include "server/training/models/model.h"
#include "server/training/optim/optimizer.h"
#include "server/training/optim/weight_average.h"
#include "server/training/tasks/task.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::training {

struct TrainerOptions {
  const spec::TrainingPlan& plan;
  const data::Dataset& dataset;
  c10::Device device;
  EventSink& sink;
  RunControl& control;
  CheckpointWriter& checkpoints;
  Clock& clock;
  RunIdentity identity;
  const LoadedModel* init = nullptr;  // Of a plan with `init`.
};

struct TrainingOutcome {
  v1::AttemptEnd end = v1::ATTEMPT_END_UNSPECIFIED;  // COMPLETED, STOPPED or NON_FINITE_LOSS.
  std::string message;
  int64_t step = 0;  // Of the published weights.
  int epoch = 0;
  std::vector<v1::EvaluationReport> reports;  // Of the published weights: validation, test.
};

// Trains one model on one device: epochs of shuffled, augmented batches, a validation after each,
// checkpoints, and at the end a test of the epoch that train.select prefers. Everything drawn is a
// pure function of (seed, epoch, position), so that a resumed run goes on as an unbroken one would.
// Not thread-safe.
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
  Model& model() { return *model_; }
  const Task& task() const { return *task_; }
  const TaskFacts& facts() const { return facts_; }
  const BatchSource& source() const { return *source_; }
  const TrainingState& state() const { return state_; }
  const Normalisation& normalisation() const { return source_->normalisation(); }

 private:
  // What the device has computed and the host has not looked at yet.
  struct PendingStep {
    at::Tensor loss, train_sum;
    int64_t step;
    double lr;
  };

  explicit Trainer(TrainerOptions options) : options_(std::move(options)) {}
  absl::Status SetUp();

  // Each may end the run by filling in outcome_.
  absl::Status TrainEpoch(int epoch);
  absl::Status AfterStep(int epoch);
  absl::Status FinishEpoch(int epoch);
  absl::Status Finish();
  absl::Status SaveCheckpoint();
  absl::Status StopHere(absl::string_view where);

  BatchOrder OrderOf(int epoch) const;
  void TrainStep(const Batch& batch, int epoch, double lr);
  // Of the weights that count: the average's, where there is one. CANCELLED when asked to stop.
  absl::StatusOr<v1::EvaluationReport> Measure(const std::vector<int64_t>& samples,
                                               const std::string& split);
  bool Flush(int epoch);  // False when a loss is not finite.
  void EndNonFinite(const std::string& what, int64_t step, int epoch, double lr);
  void UpdateBest(const v1::EvaluationReport& report, int epoch);
  void UpdateGain(double value, int epoch);
  bool OutOfPatience() const;
  bool ended() const { return outcome_.end != v1::ATTEMPT_END_UNSPECIFIED; }

  TrainerOptions options_;
  std::unique_ptr<BatchSource> source_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;  // Null: none.
  std::unique_ptr<ProgressMeter> meter_;
  std::unique_ptr<Task> task_;
  TaskFacts facts_;
  int64_t steps_per_epoch_ = 0;

  TrainingState state_;
  int64_t last_good_ = -1;         // Step of the newest checkpoint that is known to be whole.
  std::vector<NamedTensor> best_;  // On the CPU.
  std::vector<PendingStep> pending_;
  bool checkpoint_due_ = false;  // Asked for in an epoch's last step: written after validation.
  TrainingOutcome outcome_;
};

}  // namespace skytrain::training
