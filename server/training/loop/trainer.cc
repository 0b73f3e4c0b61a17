#include "server/training/loop/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/training/checkpoint/tensor_io.h"
#include "server/training/loop/evaluate.h"
#include "server/training/loop/find_lr.h"
#include "server/training/loop/norm_statistics.h"
#include "server/training/loop/selection.h"
#include "server/training/optim/schedule.h"

namespace skytrain::training {
namespace {

// On a GPU the host looks at losses this often: each look waits for the device.
constexpr size_t kStepsBetweenLooks = 32;

const char* NonFiniteName(double value) { return std::isnan(value) ? "NaN" : "infinite"; }

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Make(TrainerOptions options) {
  ASSIGN_OR_RETURN(TrainingParts parts, MakeTrainingParts(options));
  return std::unique_ptr<Trainer>(new Trainer(std::move(options), std::move(parts)));
}

Trainer::Trainer(TrainerOptions options, TrainingParts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      losses_(options_.sink, options_.device.is_cpu() ? 1 : kStepsBetweenLooks) {
  const spec::TrainingPlan& plan = options_.plan;
  if (plan.ema_decay > 0.0 || plan.swa) average_ = std::make_unique<WeightAverage>(*parts_.model);
}

absl::Status Trainer::Restore(const Checkpoint& checkpoint) {
  const auto unusable = [](const absl::Status& status) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "CHECKPOINT_CORRUPT",
                           absl::StrCat("the checkpoint is not of this run: ", status.message()));
  };
  if (!(checkpoint.identity == options_.identity)) {
    const std::string difference = absl::StrFormat(
        "made by build %s on %s with %d threads (%s, %s, seed %d), not by build %s on %s with %d "
        "threads (%s, %s, seed %d)",
        checkpoint.identity.build, checkpoint.identity.device, checkpoint.identity.threads,
        checkpoint.identity.instruction_set, checkpoint.identity.precision,
        checkpoint.identity.seed, options_.identity.build, options_.identity.device,
        options_.identity.threads, options_.identity.instruction_set, options_.identity.precision,
        options_.identity.seed);
    if (options_.plan.deterministic || checkpoint.identity.seed != options_.identity.seed) {
      return unusable(absl::FailedPreconditionError(difference));
    }
    std::fprintf(stderr, "The run goes on, but not bit for bit: the checkpoint was %s.\n",
                 difference.c_str());
  }
  if (const absl::Status copied = CopyTensors(checkpoint.model, parts_.model->State());
      !copied.ok()) {
    return unusable(copied);
  }
  if (const absl::Status copied = CopyTensors(checkpoint.optimizer, parts_.optimizer->State());
      !copied.ok()) {
    return unusable(copied);
  }
  state_ = checkpoint.state;
  if (HasAverage()) {
    if (const absl::Status copied = CopyTensors(checkpoint.average, average_->State());
        !copied.ok()) {
      return unusable(copied);
    }
  }
  last_good_ = state_.step;
  if (state_.best) {
    const std::vector<NamedTensor>& own = HasAverage() ? checkpoint.average : checkpoint.model;
    best_ = CloneTensors(checkpoint.best.empty() ? own : checkpoint.best);
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainingOutcome> Trainer::Run() {
  const spec::TrainingPlan& plan = options_.plan;
  if (plan.find_lr) return FindLearningRate(options_, parts_);
  const int64_t left = plan.epochs * parts_.steps_per_epoch - state_.step;
  meter_ = std::make_unique<ProgressMeter>(options_.sink, options_.clock, plan.epochs,
                                           std::max<int64_t>(0, left) * plan.batch_size);
  while (state_.epoch < plan.epochs && !OutOfPatience(plan, state_) && !ended()) {
    const int epoch = state_.epoch + 1;
    RETURN_IF_ERROR(TrainEpoch(epoch));
    if (!ended()) RETURN_IF_ERROR(FinishEpoch(epoch));
  }
  if (!ended()) RETURN_IF_ERROR(Finish());
  return outcome_;
}

double Trainer::LearningRateNow(int epoch) const {
  const spec::TrainingPlan& plan = options_.plan;
  if (IsAveraged(epoch) && plan.swa->lr > 0.0) return plan.swa->lr;
  return LearningRate(plan.schedule, plan.optimizer.lr, state_.step,
                      plan.epochs * parts_.steps_per_epoch, parts_.steps_per_epoch);
}

absl::Status Trainer::TrainEpoch(int epoch) {
  const spec::TrainingPlan& plan = options_.plan;
  BatchOrder order = EpochOrderOf(options_, epoch);
  order.first_batch = state_.batches;
  BatchStream stream(*parts_.source, std::move(order));
  parts_.model->SetTraining(true);
  meter_->Begin("train", epoch, state_.batches * plan.batch_size,
                parts_.steps_per_epoch * plan.batch_size);
  while (std::optional<Batch> batch = stream.Next()) {
    const double lr = LearningRateNow(epoch);
    const bool stepped =
        parts_.step->Run(*batch, state_.step, lr, [&](const TrainingStep::Found& found) {
          losses_.Add(found, state_.step + 1, lr);
          return !losses_.due() || Flush(epoch);
        });
    if (!stepped) return absl::OkStatus();
    ++state_.step;
    if (plan.ema_decay > 0.0) average_->Take(ExponentialShare(plan.ema_decay, state_.step));
    ++state_.batches;
    meter_->Add(plan.batch_size);
    RETURN_IF_ERROR(AfterStep(epoch));
    if (ended()) return absl::OkStatus();
  }
  RETURN_IF_ERROR(stream.status());
  Flush(epoch);
  return absl::OkStatus();
}

bool Trainer::Flush(int epoch) {
  const auto bad = losses_.Flush(epoch, options_.plan.batch_size, state_);
  if (!bad) return true;
  EndNonFinite(absl::StrCat("the training loss became ", NonFiniteName(bad->loss)), bad->step,
               epoch, bad->lr);
  return false;
}

void Trainer::EndNonFinite(const std::string& what, int64_t step, int epoch, double lr) {
  const double norm = parts_.optimizer->GradientNorm().item<double>();
  outcome_.end = v1::NON_FINITE_LOSS;
  outcome_.message = absl::StrFormat(
      "%s at step %d (epoch %d), learning rate %g, gradient norm before it %g; last good "
      "checkpoint: %s. Try a smaller optimizer.lr, or train.clip_grad_norm: 1.",
      what, step, epoch, lr, norm, last_good_ >= 0 ? absl::StrCat("step ", last_good_) : "none");
}

absl::Status Trainer::AfterStep(int epoch) {
  const int every = options_.plan.checkpoint_every_steps;
  const bool stop = options_.control.stop.load();
  const bool asked = options_.control.checkpoint.exchange(false);
  if (!stop && !asked && (every == 0 || state_.step % every != 0)) return absl::OkStatus();
  if (!Flush(epoch)) return absl::OkStatus();
  if (stop) return StopHere("training");
  if (state_.batches == parts_.steps_per_epoch) {
    checkpoint_due_ = true;
    return absl::OkStatus();
  }
  return SaveCheckpoint();
}

absl::Status Trainer::StopHere(absl::string_view where) {
  RETURN_IF_ERROR(SaveCheckpoint());
  if (ended()) return absl::OkStatus();
  outcome_.end = v1::STOPPED;
  outcome_.message =
      absl::StrCat("stopped while ", where, ", after step ", state_.step, ", with a checkpoint");
  return absl::OkStatus();
}

absl::Status Trainer::FinishEpoch(int epoch) {
  const spec::TrainingPlan& plan = options_.plan;
  const Task& task = *parts_.task;
  if (state_.epoch_samples > 0) {
    options_.sink.Metric(
        "train/" + task.train_metric(), state_.step, epoch,
        task.TrainMetric(state_.epoch_metric_sum / static_cast<double>(state_.epoch_samples)));
    options_.sink.Metric("images_per_second", state_.step, epoch, meter_->images_per_second());
  }
  if (IsAveraged(epoch)) {
    const absl::Status taken = TakeIntoMean(epoch);
    if (absl::IsCancelled(taken)) return StopHere("averaging");
    RETURN_IF_ERROR(taken);
  }
  if (!options_.dataset.validation().empty()) {
    const absl::StatusOr<v1::EvaluationReport> report = Validate(epoch);
    if (absl::IsCancelled(report.status())) return StopHere("validating");
    RETURN_IF_ERROR(report.status());
    if (!std::isfinite(report->loss())) {
      EndNonFinite(absl::StrCat("the validation loss became ", NonFiniteName(report->loss())),
                   state_.step, epoch, plan.optimizer.lr);
      return absl::OkStatus();
    }
    UpdateBest(*report, epoch);
    UpdateGain(plan, *report, epoch, state_);
  }
  state_.epoch = epoch;
  state_.batches = 0;
  state_.epoch_loss_sum = 0.0;
  state_.epoch_metric_sum = 0.0;
  state_.epoch_samples = 0;
  const bool last = epoch == plan.epochs || OutOfPatience(plan, state_);
  const bool due = last || epoch % plan.checkpoint_every_epochs == 0;
  if (!due && !std::exchange(checkpoint_due_, false)) return absl::OkStatus();
  checkpoint_due_ = false;
  return SaveCheckpoint();
}

bool Trainer::IsAveraged(int epoch) const {
  const spec::TrainingPlan& plan = options_.plan;
  return plan.swa && epoch > EpochsBeforeMean(plan.swa->start, plan.epochs);
}

bool Trainer::HasAverage() const {
  return average_ != nullptr && (options_.plan.ema_decay > 0.0 || state_.averaged_epochs > 0);
}

std::vector<NamedTensor> Trainer::ValidatedState() const {
  return HasAverage() ? average_->State() : parts_.model->State();
}

absl::Status Trainer::TakeIntoMean(int epoch) {
  const spec::TrainingPlan& plan = options_.plan;
  // Where a run was stopped in what follows, the epoch is in the mean already.
  if (state_.averaged_epochs < epoch - EpochsBeforeMean(plan.swa->start, plan.epochs)) {
    average_->Take(1.0 / ++state_.averaged_epochs);
  }
  BatchOrder order = EpochOrderOf(options_, epoch);
  order.mixup = 0.0;
  if (plan.micro_batch > 0) order.batch_size = plan.micro_batch;
  const WeightAverage::Lent lent(*average_);
  return RecomputeStatistics(*parts_.model, *parts_.source, std::move(order), plan.seed,
                             options_.control, *meter_);
}

absl::StatusOr<v1::EvaluationReport> Trainer::Validate(int epoch) {
  const std::vector<int64_t>& samples = options_.dataset.validation();
  meter_->Begin("validate", epoch, 0, static_cast<int64_t>(samples.size()));
  ASSIGN_OR_RETURN(v1::EvaluationReport report, Measure(samples, "validation"));
  meter_->End();
  PushReport(options_.sink, "val", report, state_.step, epoch);
  return report;
}

absl::StatusOr<v1::EvaluationReport> Trainer::Measure(const std::vector<int64_t>& samples,
                                                      const std::string& split) {
  std::optional<WeightAverage::Lent> lent;
  if (HasAverage()) lent.emplace(*average_);
  return Evaluate(*parts_.model, *parts_.source, samples, options_.plan.batch_size, *parts_.task,
                  split, options_.control, *meter_);
}

void Trainer::UpdateBest(const v1::EvaluationReport& report, int epoch) {
  // A mean is published whatever single weights were better: a choice among means alone.
  const bool first_mean = state_.best && IsAveraged(epoch) && !IsAveraged(state_.best->epoch);
  if (state_.best && !first_mean && !IsBetter(options_.plan, *state_.best, report)) return;
  state_.best =
      BestSoFar{state_.step, epoch, SelectedValue(options_.plan.select_metric, report), report};
  best_ = CloneTensors(ValidatedState());
}

absl::Status Trainer::SaveCheckpoint() {
  Checkpoint checkpoint{
      state_, options_.identity, parts_.model->State(), parts_.optimizer->State(), {}, {}};
  if (HasAverage()) checkpoint.average = average_->State();
  if (!AllFinite(checkpoint.model)) {
    EndNonFinite("the weights are not finite any more", state_.step, state_.epoch + 1,
                 options_.plan.optimizer.lr);
    return absl::OkStatus();
  }
  const bool best = state_.best && state_.best->step == state_.step;
  if (state_.best && !best) checkpoint.best = best_;
  ASSIGN_OR_RETURN(const SavedCheckpoint saved, options_.checkpoints.Save(checkpoint));
  last_good_ = state_.step;
  v1::Event event;
  event.mutable_checkpoint()->set_step(state_.step);
  event.mutable_checkpoint()->set_epoch(state_.epoch);
  event.mutable_checkpoint()->set_sha256(saved.model.sha256);
  event.mutable_checkpoint()->set_size_bytes(saved.size_bytes);
  event.mutable_checkpoint()->set_best(best);
  return options_.sink.Write(event, /*sync=*/true);
}

absl::Status Trainer::Finish() {
  outcome_.step = state_.step;
  outcome_.epoch = state_.epoch;
  if (OutOfPatience(options_.plan, state_) && state_.epoch < options_.plan.epochs) {
    outcome_.message = absl::StrFormat(
        "stopped after epoch %d of %d: %s has not got better since epoch %d", state_.epoch,
        options_.plan.epochs, options_.plan.select_metric, state_.gain ? state_.gain->epoch : 0);
  }
  // From here on the model has the weights that are published.
  if (HasAverage()) RETURN_IF_ERROR(CopyTensors(average_->State(), parts_.model->State()));
  average_ = nullptr;
  if (state_.best) {
    RETURN_IF_ERROR(CopyTensors(best_, parts_.model->State()));
    outcome_.step = state_.best->step;
    outcome_.epoch = state_.best->epoch;
    outcome_.reports.push_back(state_.best->validation);
  }
  const std::vector<int64_t>& test = options_.dataset.test();
  if (!test.empty()) {
    meter_->Begin("test", 0, 0, static_cast<int64_t>(test.size()));
    absl::StatusOr<v1::EvaluationReport> report = Measure(test, "test");
    if (absl::IsCancelled(report.status())) {
      // The last epoch's checkpoint is there already.
      outcome_ = {v1::STOPPED, "stopped while testing, after the last checkpoint", 0, 0, {}};
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(report.status());
    meter_->End();
    PushReport(options_.sink, "test", *report, outcome_.step, outcome_.epoch);
    outcome_.reports.push_back(*std::move(report));
  }
  for (const v1::EvaluationReport& report : outcome_.reports) {
    v1::Event event;
    *event.mutable_report() = report;
    RETURN_IF_ERROR(options_.sink.Write(event, /*sync=*/false));
  }
  outcome_.end = v1::COMPLETED;
  return absl::OkStatus();
}

}  // namespace skytrain::training
