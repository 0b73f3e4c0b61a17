#include "server/spec/check.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "common/ids.h"
#include "server/spec/augment_plan.h"
#include "server/spec/evaluation_check.h"
#include "server/spec/init_check.h"
#include "server/spec/model_check.h"
#include "server/spec/split_plan.h"
#include "server/spec/stretch_check.h"
#include "server/spec/task_plan.h"
#include "server/spec/violations.h"

namespace skytrain::spec {
namespace {

constexpr int kMaxNameLength = 40;
constexpr size_t kMaxLabels = 64, kMaxLabelLength = 63;

void CheckName(const std::string& name, Violations& v) {
  if (name.empty()) return;
  bool good = name.size() <= kMaxNameLength && name.front() != '-' && name.back() != '-';
  for (const char c : name) good &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  if (!good) {
    v.Add("name", absl::StrCat("must be 1 to ", kMaxNameLength,
                               " characters of a-z, 0-9 and '-', with no '-' at either end, not \"",
                               Quotable(name), "\""));
  }
}

void CheckPolicy(const char* field, v1::Data::Policy policy, Violations& v) {
  if (!v1::Data::Policy_IsValid(policy)) v.Add(field, "must be refuse or skip");
}

void CheckSource(const v1::Data& data, Violations& v) {
  switch (data.source_case()) {
    case v1::Data::kDataset:
      if (data.dataset().empty()) {
        v.Add("data.dataset",
              "must be a path on the server: a folder or archive of images, or a "
              "CSV table");
      }
      break;
    case v1::Data::kFiles: {
      const v1::Files& files = data.files();
      if (files.images().empty()) v.Add("data.files.images", "required: folders or archives");
      for (int i = 0; i < files.images_size(); ++i) {
        if (files.images(i).empty()) v.Add(absl::StrCat("data.files.images[", i, "]"), "is empty");
      }
      if (files.table().empty()) v.Add("data.files.table", "required: a CSV with a header line");
      if (files.id().empty()) v.Add("data.files.id", "required: the table's column with the ids");
      for (const std::string& column : files.file()) {
        if (column.empty()) v.Add("data.files.file", "holds an empty column name");
      }
      if (!files.split().empty() && files.split() == files.id()) {
        v.Add("data.files.split", "must be another column than data.files.id");
      }
      if (!files.weight().empty() &&
          (files.weight() == files.id() || files.weight() == files.split())) {
        v.Add("data.files.weight", "must be another column than data.files.id and split");
      }
      break;
    }
    case v1::Data::SOURCE_NOT_SET:
      v.Add("data", "needs one of dataset, files");
  }
  CheckPolicy("data.unmatched", data.unmatched(), v);
  CheckPolicy("data.corrupt", data.corrupt(), v);
}

void CheckLabelNoise(const v1::LabelNoise& noise, bool asked_for, Violations& v) {
  if (!asked_for) return;
  if (!(noise.fraction() > 0 && noise.fraction() <= 1)) {
    v.Add("data.label_noise.fraction",
          absl::StrCat("required: greater than 0 and at most 1, not ", noise.fraction()));
  }
  if (!v1::LabelNoise::Kind_IsValid(noise.kind())) {
    v.Add("data.label_noise.kind", "must be uniform_wrong or uniform");
  }
}

void PlanView(const v1::Data& data, bool has_init, ViewPlan& view, Violations& v) {
  const v1::ImageView& image = data.image();
  if (image.center_crop() != 0) view.center_crop = image.center_crop();
  if (!(view.center_crop > 0 && view.center_crop <= 1)) {
    v.Add("data.image.center_crop",
          absl::StrCat("must be greater than 0 and at most 1, not ", image.center_crop()));
  }
  view.size = image.size();
  CheckStretch(image.stretch(), v);
  if (data.has_image() && (view.size < 8 || view.size > 1024)) {
    v.Add("data.image.size", view.size == 0
                                 ? std::string("required: the side of the model's input, 8 to 1024")
                                 : absl::StrCat("must be between 8 and 1024, not ", view.size));
  }
  switch (image.normalize().kind_case()) {
    case v1::Normalize::kImagenet:
      view.normalize = ViewPlan::Normalize::kImagenet;
      break;
    case v1::Normalize::kNone:
      view.normalize = ViewPlan::Normalize::kNone;
      break;
    case v1::Normalize::kDataset:
      break;
    case v1::Normalize::KIND_NOT_SET:
      if (has_init) view.normalize = ViewPlan::Normalize::kModel;
      break;
  }
}

void PlanSelect(const v1::Train& train, TrainingPlan& plan, Violations& v) {
  const std::vector<std::string> metrics = SelectableMetrics(plan.task.kind);
  plan.select_metric = metrics[0];
  if (!train.select().metric().empty()) plan.select_metric = train.select().metric();
  if (std::find(metrics.begin(), metrics.end(), plan.select_metric) == metrics.end()) {
    const std::string nearest = NearestName(plan.select_metric, metrics);
    v.Add("train.select.metric",
          absl::StrCat("must be one of ", absl::StrJoin(metrics, ", "), ", not \"",
                       Quotable(plan.select_metric), "\"",
                       nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
  }
  switch (train.select().goal()) {
    case v1::Select::GOAL_UNSPECIFIED:
      plan.select_max = IsBetterHigher(plan.select_metric);
      break;
    case v1::Select::GOAL_MIN:
    case v1::Select::GOAL_MAX:
      plan.select_max = train.select().goal() == v1::Select::GOAL_MAX;
      break;
    default:
      v.Add("train.select.goal", "must be min or max");
  }
}

void PlanTrain(const v1::Train& train, TrainingPlan& plan, Violations& v) {
  plan.epochs = train.epochs();
  if (plan.epochs == 0) {
    v.Add("train.epochs", "required: between 1 and 1,000,000");
  } else {
    v.Range("train.epochs", plan.epochs, 1, 1'000'000);
  }
  if (train.batch_size() != 0) plan.batch_size = train.batch_size();
  // A batch of one has no variance for BatchNorm to divide by.
  v.Range("train.batch_size", plan.batch_size, 2, 1'048'576);
  plan.seed = train.seed();
  plan.deterministic = train.deterministic();
  switch (train.precision()) {
    case v1::PRECISION_UNSPECIFIED:
    case v1::PRECISION_AUTO:
      plan.precision = Precision::kAuto;
      break;
    case v1::PRECISION_FP32:
      plan.precision = Precision::kFp32;
      break;
    case v1::PRECISION_BF16:
      plan.precision = Precision::kBf16;
      break;
    default:
      v.Add("train.precision", "must be auto, fp32 or bf16");
  }
  PlanSelect(train, plan, v);
  const v1::CheckpointPolicy& checkpoint = train.checkpoint();
  if (checkpoint.every_epochs() != 0) plan.checkpoint_every_epochs = checkpoint.every_epochs();
  v.Range("train.checkpoint.every_epochs", plan.checkpoint_every_epochs, 1, 1'000'000);
  plan.checkpoint_every_steps = checkpoint.every_steps();
  v.Range("train.checkpoint.every_steps", plan.checkpoint_every_steps, 0,
          std::numeric_limits<int32_t>::max());
  if (checkpoint.keep() != 0) plan.checkpoint_keep = checkpoint.keep();
  v.Range("train.checkpoint.keep", plan.checkpoint_keep, 1, 1000);
  plan.clip_grad_norm = train.clip_grad_norm();
  v.NotNegative("train.clip_grad_norm", plan.clip_grad_norm);
  plan.mixup = train.mixup();
  v.NotNegative("train.mixup", plan.mixup);
  plan.micro_batch = train.micro_batch();
  if (plan.micro_batch != 0 && (plan.micro_batch < 2 || plan.batch_size % plan.micro_batch != 0)) {
    v.Add("train.micro_batch", absl::StrCat("must be 2 or more and divide train.batch_size, ",
                                            plan.batch_size, ", not ", plan.micro_batch));
  }
  if (train.has_early_stop()) {
    plan.early_stop = {train.early_stop().patience(), train.early_stop().min_delta()};
    v.Range("train.early_stop.patience", plan.early_stop.patience, 1, 1'000'000);
    v.NotNegative("train.early_stop.min_delta", plan.early_stop.min_delta);
  }
  if (train.has_ema()) {
    plan.ema_decay = train.ema().decay() == 0 ? 0.999 : train.ema().decay();
    if (!(plan.ema_decay > 0 && plan.ema_decay < 1)) {
      v.Add("train.ema.decay",
            absl::StrCat("must lie between 0 and 1, both excluded, not ", plan.ema_decay));
    }
  }
}

void PlanOptimizer(const v1::Optimizer& optimizer, OptimizerPlan& plan, Violations& v) {
  std::string field;
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kSgd: {
      field = "optimizer.sgd";
      const v1::Sgd& sgd = optimizer.sgd();
      plan = {OptimizerPlan::Kind::kSgd, sgd.lr() == 0 ? 0.1 : sgd.lr(), sgd.momentum(),
              sgd.nesterov(), sgd.weight_decay()};
      if (!(plan.momentum >= 0 && plan.momentum < 1)) {
        v.Add("optimizer.sgd.momentum",
              absl::StrCat("must be at least 0 and less than 1, not ", plan.momentum));
      } else if (plan.nesterov && plan.momentum == 0) {
        v.Add("optimizer.sgd.nesterov", "needs a momentum greater than 0");
      }
      break;
    }
    case v1::Optimizer::kAdam:
      field = "optimizer.adam";
      plan = {OptimizerPlan::Kind::kAdam, optimizer.adam().lr() == 0 ? 1e-3 : optimizer.adam().lr(),
              0, false, optimizer.adam().weight_decay()};
      break;
    case v1::Optimizer::kAdamw:
    case v1::Optimizer::KIND_NOT_SET: {
      field = "optimizer.adamw";
      const v1::AdamW& adamw = optimizer.adamw();
      plan = {OptimizerPlan::Kind::kAdamW, adamw.lr() == 0 ? 1e-3 : adamw.lr(), 0, false,
              adamw.has_weight_decay() ? adamw.weight_decay() : 0.01};
      break;
    }
  }
  if (!(plan.lr > 0) || !std::isfinite(plan.lr)) {
    v.Add(field + ".lr", absl::StrCat("must be a finite number greater than 0, not ", plan.lr));
  }
  v.NotNegative(field + ".weight_decay", plan.weight_decay);
}

void PlanSchedule(const v1::Schedule& schedule, const TrainingPlan& plan, SchedulePlan& out,
                  Violations& v) {
  switch (schedule.kind_case()) {
    case v1::Schedule::kCosine:
      out.kind = SchedulePlan::Kind::kCosine;
      out.warmup_epochs = schedule.cosine().warmup_epochs();
      out.min_lr = schedule.cosine().min_lr();
      if (!(out.warmup_epochs >= 0) || (plan.epochs > 0 && out.warmup_epochs > plan.epochs)) {
        v.Add("schedule.cosine.warmup_epochs",
              absl::StrCat("must be between 0 and train.epochs, not ", out.warmup_epochs));
      }
      if (!(out.min_lr >= 0 && out.min_lr <= plan.optimizer.lr)) {
        v.Add("schedule.cosine.min_lr",
              absl::StrCat("must be between 0 and the optimizer's lr, not ", out.min_lr));
      }
      break;
    case v1::Schedule::kOneCycle:
      out.kind = SchedulePlan::Kind::kOneCycle;
      break;
    case v1::Schedule::kConstant:
    case v1::Schedule::KIND_NOT_SET:
      break;
  }
}

void CheckResources(const v1::Resources& resources, Violations& v) {
  if (resources.gpus() != 0 && resources.cpus() != 0) {
    v.Add("resources", "set gpus or cpus, not both: a GPU job brings the cores it needs");
  }
  v.Range("resources.gpus", resources.gpus(), 0, 1024);
  v.Range("resources.cpus", resources.cpus(), 0, 4096);
}

double Seconds(const google::protobuf::Duration& d) { return d.seconds() + d.nanos() * 1e-9; }

void CheckLimits(const v1::Limits& limits, Violations& v) {
  if (limits.has_time() && Seconds(limits.time()) < 1) {
    v.Add("limits.time", "must be at least 1s");
  }
  if (limits.has_stall() && Seconds(limits.stall()) < 1) {
    v.Add("limits.stall", "must be at least 1s");
  }
  if (limits.has_grace() && (Seconds(limits.grace()) < 0 || Seconds(limits.grace()) > 86400)) {
    v.Add("limits.grace", "must be between 0s and 24h");
  }
}

void CheckLabels(const google::protobuf::Map<std::string, std::string>& labels, Violations& v) {
  if (labels.size() > kMaxLabels) {
    v.Add("labels", absl::StrCat("at most ", kMaxLabels, ", not ", labels.size()));
  }
  for (const auto& [key, value] : labels) {
    if (key.empty() || key.size() > kMaxLabelLength || value.size() > kMaxLabelLength) {
      v.Add(
          absl::StrCat("labels.", Quotable(key)),
          absl::StrCat("key (not empty) and value have at most ", kMaxLabelLength, " characters"));
    }
  }
}

}  // namespace

absl::StatusOr<TrainingPlan> MakePlan(const v1::Experiment& experiment) {
  Violations v;
  TrainingPlan plan;
  CheckName(experiment.name(), v);
  plan.name = experiment.name().empty() ? "experiment" : experiment.name();
  const v1::Data& data = experiment.data();
  CheckSource(data, v);
  PlanView(data, experiment.has_init(), plan.view, v);
  plan.augment = PlanAugment(data, v);
  CheckLabelNoise(data.label_noise(), data.has_label_noise(), v);
  CheckSplits(data.splits(), v);
  for (const auto& [field, unused] : SplitTables(data.splits())) {
    if (!data.has_files()) v.Add(field, "needs data.files, whose `id` says which column holds ids");
  }
  plan.task = PlanTask(experiment.task(), v);
  if (!experiment.task().has_classification()) {
    if (!plan.augment.flip_swaps_classes.empty()) {
      v.Add("data.augment.flip_swaps_classes", "is for classification alone");
    }
    if (data.has_label_noise()) v.Add("data.label_noise", "is for classification alone");
  }
  plan.model = PlanModel(experiment.model(), plan.view.size, data.has_image(), v);
  if (experiment.has_init()) plan.init = PlanInit(experiment.init(), plan.model, v);
  PlanTrain(experiment.train(), plan, v);
  PlanOptimizer(experiment.optimizer(), plan.optimizer, v);
  PlanSchedule(experiment.schedule(), plan, plan.schedule, v);
  CheckResources(experiment.resources(), v);
  plan.gpus = experiment.resources().gpus();
  plan.cpus = plan.gpus > 0 ? 0 : experiment.resources().cpus();
  if (plan.gpus == 0 && plan.cpus == 0) plan.cpus = 2;
  CheckLimits(experiment.limits(), v);
  v.Range("queue.priority", experiment.queue().priority(), -100, 100);
  if (experiment.retry().has_max_attempts()) {
    v.Range("retry.max_attempts", experiment.retry().max_attempts(), 1, 20);
  }
  CheckLabels(experiment.labels(), v);
  RETURN_IF_ERROR(v.ToStatus());
  return plan;
}

absl::Status CheckEvaluation(const v1::Evaluation& evaluation) {
  Violations v;
  if (evaluation.model().empty()) {
    v.Add("model", "required: models/{model}/versions/{version}, or NAME@VERSION");
  } else if (const auto name = ParseModelName(evaluation.model()); !name.ok()) {
    v.Add("model", std::string(name.status().message()));
  }
  CheckSource(evaluation.data(), v);
  if (evaluation.data().has_image()) {
    v.Add("data.image", "must be empty: the model's card says how it sees images");
  }
  if (evaluation.data().has_augment()) v.Add("data.augment", "must be empty in an evaluation");
  if (evaluation.data().has_label_noise()) {
    v.Add("data.label_noise", "must be empty in an evaluation");
  }
  if (evaluation.data().has_splits()) {
    v.Add("data.splits", "must be empty in an evaluation: name one split in `split`");
  }
  CheckResources(evaluation.resources(), v);
  CheckPrediction(evaluation, v);
  return v.ToStatus();
}

}  // namespace skytrain::spec
