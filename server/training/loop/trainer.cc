#include "server/training/loop/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/data/random.h"
#include "server/spec/augment_plan.h"
#include "server/training/checkpoint/initial_weights.h"
#include "server/training/checkpoint/tensor_io.h"
#include "server/training/loop/evaluate.h"
#include "server/training/models/factory.h"
#include "server/training/optim/schedule.h"

namespace skytrain::training {
namespace {

// On a GPU the host looks at losses this often: each look waits for the device.
constexpr size_t kStepsBetweenLooks = 32;

absl::Status BadData(const std::string& message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "DATA_INVALID", message);
}

absl::Status CheckData(const spec::TrainingPlan& plan, const data::Dataset& dataset) {
  if (static_cast<int64_t>(dataset.train().size()) < plan.batch_size) {
    return BadData(absl::StrCat("the train split has ", dataset.train().size(),
                                " samples, fewer than one batch of ", plan.batch_size));
  }
  spec::Violations violations;
  spec::CheckFlippedClasses(plan.augment, dataset.classes(), violations);
  RETURN_IF_ERROR(violations.ToStatus("DATA_INVALID"));
  if (dataset.target_columns() != static_cast<int>(plan.task.targets.values.size())) {
    return BadData(absl::StrCat("the data set has ", dataset.target_columns(),
                                " columns of targets, ", plan.task.targets.field, " names ",
                                plan.task.targets.values.size()));
  }
  const bool image = plan.view.size > 0;
  if (image == dataset.pixels().empty()) {
    return BadData(image ? "data.image is given, but the data set is a table"
                         : "the data set has images; say data.image.size");
  }
  if (image && (dataset.height() < plan.view.size || dataset.width() < plan.view.size)) {
    return BadData(absl::StrCat("decoded images are ", dataset.height(), "x", dataset.width(),
                                ", smaller than data.image.size ", plan.view.size));
  }
  return absl::OkStatus();
}

// NaN where the report does not have it.
double SelectedValue(const std::string& metric, const v1::EvaluationReport& report) {
  const std::string name = metric.substr(metric.find('/') + 1);
  if (name == "loss") return report.loss();
  if (report.classes_size() > 0 && name == "accuracy") return report.accuracy();
  if (report.classes_size() > 0 && name == "balanced_accuracy") return report.balanced_accuracy();
  for (const auto& measure : report.measures()) {
    if (measure.name() == name) return measure.value();
  }
  return std::numeric_limits<double>::quiet_NaN();
}

const char* NonFiniteName(double value) { return std::isnan(value) ? "NaN" : "infinite"; }

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Make(TrainerOptions options) {
  std::unique_ptr<Trainer> trainer(new Trainer(std::move(options)));
  RETURN_IF_ERROR(trainer->SetUp());
  return trainer;
}

absl::Status Trainer::SetUp() {
  const spec::TrainingPlan& plan = options_.plan;
  const data::Dataset& dataset = options_.dataset;
  RETURN_IF_ERROR(CheckData(plan, dataset));
  steps_per_epoch_ = static_cast<int64_t>(dataset.train().size()) / plan.batch_size;
  const bool as_before = plan.view.normalize == spec::ViewPlan::Normalize::kModel;
  Normalisation normalisation =
      as_before ? options_.init->card.normalisation : MakeNormalisation(plan.view, dataset);
  source_ = std::make_unique<BatchSource>(dataset, plan.view.size, std::move(normalisation),
                                          options_.device);
  facts_ = FactsOf(plan.task, dataset);
  ASSIGN_OR_RETURN(task_, MakeTask(plan.task, facts_, options_.device));
  ASSIGN_OR_RETURN(model_, MakeModel(plan.model, task_->outputs(), source_->inputs(), plan.seed));
  if (plan.init) {
    const auto& columns = dataset.manifest().columns();
    RETURN_IF_ERROR(StartFrom(*plan.init, *options_.init,
                              {plan.task.Name(),
                               dataset.classes(),
                               dataset.target_names(),
                               {columns.begin(), columns.end()}},
                              *model_));
  }
  model_->Prepare(options_.device, plan.precision);
  optimizer_ = std::make_unique<Optimizer>(plan.optimizer, *model_);
  if (plan.ema_decay > 0.0) average_ = std::make_unique<WeightAverage>(plan.ema_decay, *model_);
  return absl::OkStatus();
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
  if (const absl::Status copied = CopyTensors(checkpoint.model, model_->State()); !copied.ok()) {
    return unusable(copied);
  }
  if (const absl::Status copied = CopyTensors(checkpoint.optimizer, optimizer_->State());
      !copied.ok()) {
    return unusable(copied);
  }
  if (average_ != nullptr) {
    if (const absl::Status copied = CopyTensors(checkpoint.average, average_->State());
        !copied.ok()) {
      return unusable(copied);
    }
  }
  state_ = checkpoint.state;
  last_good_ = state_.step;
  if (state_.best) {
    const std::vector<NamedTensor>& own = average_ ? checkpoint.average : checkpoint.model;
    best_ = CloneTensors(checkpoint.best.empty() ? own : checkpoint.best);
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainingOutcome> Trainer::Run() {
  const spec::TrainingPlan& plan = options_.plan;
  const int64_t left = plan.epochs * steps_per_epoch_ - state_.step;
  meter_ = std::make_unique<ProgressMeter>(options_.sink, options_.clock, plan.epochs,
                                           std::max<int64_t>(0, left) * plan.batch_size);
  while (state_.epoch < plan.epochs && !OutOfPatience() && !ended()) {
    const int epoch = state_.epoch + 1;
    RETURN_IF_ERROR(TrainEpoch(epoch));
    if (!ended()) RETURN_IF_ERROR(FinishEpoch(epoch));
  }
  if (!ended()) RETURN_IF_ERROR(Finish());
  return outcome_;
}

BatchOrder Trainer::OrderOf(int epoch) const {
  const spec::TrainingPlan& plan = options_.plan;
  const std::vector<int64_t>& train = options_.dataset.train();
  BatchOrder order;
  order.samples = data::EpochOrder(plan.seed, epoch, static_cast<int64_t>(train.size()));
  for (int64_t& sample : order.samples) sample = train[sample];
  order.batch_size = plan.batch_size;
  order.drop_short = true;
  order.first_batch = state_.batches;
  order.augment = plan.augment;
  order.mixup = plan.mixup;
  order.mirrored_classes = MirroredClasses(plan.augment, options_.dataset.classes());
  order.seed = plan.seed;
  order.epoch = epoch;
  return order;
}

absl::Status Trainer::TrainEpoch(int epoch) {
  const spec::TrainingPlan& plan = options_.plan;
  BatchStream stream(*source_, OrderOf(epoch));
  model_->SetTraining(true);
  meter_->Begin("train", epoch, state_.batches * plan.batch_size,
                steps_per_epoch_ * plan.batch_size);
  while (std::optional<Batch> batch = stream.Next()) {
    const double lr = LearningRate(plan.schedule, plan.optimizer.lr, state_.step,
                                   plan.epochs * steps_per_epoch_, steps_per_epoch_);
    TrainStep(*batch, epoch, lr);
    if (ended()) return absl::OkStatus();
    ++state_.step;
    if (average_) average_->Update(state_.step);
    ++state_.batches;
    meter_->Add(plan.batch_size);
    RETURN_IF_ERROR(AfterStep(epoch));
    if (ended()) return absl::OkStatus();
  }
  Flush(epoch);
  return absl::OkStatus();
}

void Trainer::TrainStep(const Batch& batch, int epoch, double lr) {
  const int64_t parts =
      options_.plan.micro_batch > 0 ? options_.plan.batch_size / options_.plan.micro_batch : 1;
  const int64_t part_size = options_.plan.batch_size / parts;
  const auto loss_of = [&](const at::Tensor& outputs, const Batch& whole, int64_t first) {
    if (parts == 1) return task_->Loss(outputs, whole);
    const Batch part = whole.Part(first, part_size);
    return task_->Loss(outputs, part) * (task_->LossWeight(part) / task_->LossWeight(whole));
  };
  const bool mixed = batch.mix_share < 1.0;
  const Batch partners = mixed ? PartnersOf(batch) : Batch();
  PendingStep step{{}, {}, state_.step + 1, lr};
  for (int64_t first = 0; first < options_.plan.batch_size; first += part_size) {
    model_->SetDraw({options_.plan.seed, state_.step, first});
    const Batch part = batch.Part(first, part_size);
    const at::Tensor outputs = model_->Forward(part.input);
    at::Tensor loss = loss_of(outputs, batch, first);
    if (mixed) {
      loss = loss * batch.mix_share + loss_of(outputs, partners, first) * (1.0 - batch.mix_share);
    }
    const at::Tensor sum = task_->TrainSum(outputs.detach(), part);
    step.loss = first == 0 ? loss.detach() : step.loss + loss.detach();
    step.train_sum = first == 0 ? sum : step.train_sum + sum;
    if (first + part_size == options_.plan.batch_size) {
      pending_.push_back(step);
      // Of an undivided batch the gradients of the step before are still there, for the message if
      // this loss is not finite.
      const bool look = options_.device.is_cpu() || pending_.size() >= kStepsBetweenLooks;
      if (look && !Flush(epoch)) return;
    }
    if (first == 0) optimizer_->ClearGradients();
    loss.backward();
  }
  if (options_.plan.clip_grad_norm > 0.0) {
    optimizer_->ClipGradients(options_.plan.clip_grad_norm);
  }
  optimizer_->Step(lr);
}

bool Trainer::Flush(int epoch) {
  if (pending_.empty()) return true;
  std::vector<at::Tensor> losses, sums;
  for (const PendingStep& step : pending_) {
    losses.push_back(step.loss.reshape({}));
    sums.push_back(step.train_sum);
  }
  const at::Tensor loss_values = at::stack(losses).cpu();
  state_.epoch_metric_sum += at::stack(sums).to(at::kDouble).sum().item<double>();
  const std::vector<PendingStep> steps = std::exchange(pending_, {});
  for (size_t i = 0; i < steps.size(); ++i) {
    const double loss = loss_values.const_data_ptr<float>()[i];
    options_.sink.Metric("train/loss", steps[i].step, epoch, loss);
    options_.sink.Metric("lr", steps[i].step, epoch, steps[i].lr);
    if (!std::isfinite(loss)) {
      EndNonFinite(absl::StrCat("the training loss became ", NonFiniteName(loss)), steps[i].step,
                   epoch, steps[i].lr);
      return false;
    }
    state_.epoch_loss_sum += loss;
    state_.epoch_samples += options_.plan.batch_size;
  }
  return true;
}

void Trainer::EndNonFinite(const std::string& what, int64_t step, int epoch, double lr) {
  const double norm = optimizer_->GradientNorm().item<double>();
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
  if (state_.batches == steps_per_epoch_) {
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
  const std::vector<int64_t>& validation = options_.dataset.validation();
  if (ended()) return absl::OkStatus();
  if (state_.epoch_samples > 0) {
    options_.sink.Metric(
        "train/" + task_->train_metric(), state_.step, epoch,
        task_->TrainMetric(state_.epoch_metric_sum / static_cast<double>(state_.epoch_samples)));
    options_.sink.Metric("images_per_second", state_.step, epoch, meter_->images_per_second());
  }
  if (!validation.empty()) {
    meter_->Begin("validate", epoch, 0, static_cast<int64_t>(validation.size()));
    const absl::StatusOr<v1::EvaluationReport> report = Measure(validation, "validation");
    if (absl::IsCancelled(report.status())) return StopHere("validating");
    RETURN_IF_ERROR(report.status());
    meter_->End();
    PushReport(options_.sink, "val", *report, state_.step, epoch);
    if (!std::isfinite(report->loss())) {
      EndNonFinite(absl::StrCat("the validation loss became ", NonFiniteName(report->loss())),
                   state_.step, epoch, plan.optimizer.lr);
      return absl::OkStatus();
    }
    UpdateBest(*report, epoch);
    UpdateGain(SelectedValue(plan.select_metric, *report), epoch);
  }
  state_.epoch = epoch;
  state_.batches = 0;
  state_.epoch_loss_sum = 0.0;
  state_.epoch_metric_sum = 0.0;
  state_.epoch_samples = 0;
  const bool last = epoch == plan.epochs || OutOfPatience();
  const bool due = last || epoch % plan.checkpoint_every_epochs == 0;
  if (!due && !std::exchange(checkpoint_due_, false)) return absl::OkStatus();
  checkpoint_due_ = false;
  return SaveCheckpoint();
}

void Trainer::UpdateBest(const v1::EvaluationReport& report, int epoch) {
  const double value = SelectedValue(options_.plan.select_metric, report);
  if (state_.best) {
    const double ahead =
        options_.plan.select_max ? value - state_.best->value : state_.best->value - value;
    // Small validation splits tie often: then the lower loss decides.
    // A metric that this split cannot tell is NaN, and worse than any other.
    const bool first = std::isnan(state_.best->value) && !std::isnan(value);
    const bool better =
        first || ahead > 0.0 || (ahead == 0.0 && report.loss() < state_.best->validation.loss());
    if (!better) return;
  }
  state_.best = BestSoFar{state_.step, epoch, value, report};
  best_ = CloneTensors(average_ ? average_->State() : model_->State());
}

void Trainer::UpdateGain(double value, int epoch) {
  const spec::TrainingPlan& plan = options_.plan;
  if (state_.gain) {
    const double ahead = plan.select_max ? value - state_.gain->value : state_.gain->value - value;
    if (!(ahead > plan.early_stop.min_delta)) return;
  } else if (std::isnan(value)) {
    return;
  }
  state_.gain = LastGain{epoch, value};
}

bool Trainer::OutOfPatience() const {
  const int patience = options_.plan.early_stop.patience;
  const int since = state_.epoch - (state_.gain ? state_.gain->epoch : 0);
  return patience > 0 && since >= patience;
}

absl::StatusOr<v1::EvaluationReport> Trainer::Measure(const std::vector<int64_t>& samples,
                                                      const std::string& split) {
  std::optional<WeightAverage::Lent> lent;
  if (average_) lent.emplace(*average_);
  return Evaluate(*model_, *source_, samples, options_.plan.batch_size, *task_, split,
                  options_.control, *meter_);
}

absl::Status Trainer::SaveCheckpoint() {
  Checkpoint checkpoint{state_, options_.identity, model_->State(), optimizer_->State(), {}, {}};
  if (average_) checkpoint.average = average_->State();
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
  if (OutOfPatience() && state_.epoch < options_.plan.epochs) {
    outcome_.message = absl::StrFormat(
        "stopped after epoch %d of %d: %s has not got better since epoch %d", state_.epoch,
        options_.plan.epochs, options_.plan.select_metric, state_.gain ? state_.gain->epoch : 0);
  }
  // From here on the model has the weights that are published.
  const std::unique_ptr<WeightAverage> average = std::move(average_);
  if (average) RETURN_IF_ERROR(CopyTensors(average->State(), model_->State()));
  if (state_.best) {
    RETURN_IF_ERROR(CopyTensors(best_, model_->State()));
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
