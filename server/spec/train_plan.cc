#include "server/spec/train_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "server/spec/task_plan.h"

namespace skytrain::spec {
namespace {

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

void PlanSwa(const v1::Train& train, TrainingPlan& plan, Violations& v) {
  if (!train.has_swa()) return;
  SwaPlan swa;
  if (train.swa().start() != 0) swa.start = train.swa().start();
  swa.lr = train.swa().lr();
  if (!(swa.start > 0 && swa.start < 1)) {
    v.Add("train.swa.start",
          absl::StrCat("must lie between 0 and 1, both excluded, not ", swa.start));
  }
  v.NotNegative("train.swa.lr", swa.lr);
  if (train.has_ema()) {
    v.Add("train.swa", "is another average than train.ema: take one of the two");
  }
  plan.swa = swa;
}

void PlanFindLr(const v1::Train& train, TrainingPlan& plan, Violations& v) {
  if (!train.has_find_lr()) return;
  FindLrPlan find;
  if (train.find_lr().min() != 0) find.min = train.find_lr().min();
  if (train.find_lr().max() != 0) find.max = train.find_lr().max();
  if (train.find_lr().steps() != 0) find.steps = train.find_lr().steps();
  if (!(find.min > 0) || !std::isfinite(find.min)) {
    v.Add("train.find_lr.min",
          absl::StrCat("must be a finite number greater than 0, not ", find.min));
  } else if (!(find.max > find.min) || !std::isfinite(find.max)) {
    v.Add("train.find_lr.max",
          absl::StrCat("must be a finite number greater than min, ", find.min, ", not ", find.max));
  }
  v.Range("train.find_lr.steps", find.steps, 10, 100'000);
  plan.find_lr = find;
}

}  // namespace

void PlanTrain(const v1::Train& train, TrainingPlan& plan, Violations& v) {
  PlanFindLr(train, plan, v);
  PlanSwa(train, plan, v);
  plan.epochs = train.epochs();
  if (plan.epochs == 0 && plan.find_lr) {
    plan.epochs = 1;  // None of them is trained.
  } else if (plan.epochs == 0) {
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

}  // namespace skytrain::spec
