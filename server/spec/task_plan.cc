#include "server/spec/task_plan.h"

#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/spec/decision_tree.h"

namespace skytrain::spec {
namespace {

TaskPlan PlanClassification(const v1::Classification& task, Violations& v) {
  TaskPlan plan;
  plan.targets.field = "task.classification.target";
  plan.targets.class_column = task.target();
  switch (task.class_weights()) {
    case v1::Classification::CLASS_WEIGHTS_UNSPECIFIED:
    case v1::Classification::CLASS_WEIGHTS_NONE:
      plan.class_weight_power = 0.0;
      break;
    case v1::Classification::CLASS_WEIGHTS_BALANCED:
      plan.class_weight_power = 1.0;
      break;
    case v1::Classification::CLASS_WEIGHTS_SQRT_BALANCED:
      plan.class_weight_power = 0.5;
      break;
    default:
      v.Add("task.classification.class_weights", "must be none, balanced or sqrt_balanced");
  }
  plan.label_smoothing = task.label_smoothing();
  if (!(plan.label_smoothing >= 0 && plan.label_smoothing < 1)) {
    v.Add("task.classification.label_smoothing",
          absl::StrCat("must be at least 0 and less than 1, not ", plan.label_smoothing));
  }
  plan.focal_gamma = task.focal_gamma();
  v.NotNegative("task.classification.focal_gamma", plan.focal_gamma);
  return plan;
}

// Columns with numbers between `lowest` and `highest`.
TargetColumns Columns(const std::string& field,
                      const google::protobuf::RepeatedPtrField<std::string>& names, Violations& v) {
  TargetColumns targets;
  targets.field = field;
  targets.values.assign(names.begin(), names.end());
  if (names.empty()) v.Add(field, "required: columns of the table");
  for (int i = 0; i < names.size(); ++i) {
    if (names[i].empty()) v.Add(absl::StrCat(field, "[", i, "]"), "is empty");
  }
  return targets;
}

TaskPlan PlanRegression(const v1::Regression& task, Violations& v) {
  TaskPlan plan;
  plan.kind = TaskPlan::Kind::kRegression;
  plan.targets = Columns("task.regression.targets", task.targets(), v);
  plan.huber = task.loss() == v1::Regression::LOSS_HUBER;
  if (!v1::Regression::Loss_IsValid(task.loss())) {
    v.Add("task.regression.loss", "must be mse or huber");
  }
  if (task.huber_delta() != 0) plan.huber_delta = task.huber_delta();
  if (!(plan.huber_delta > 0) || !std::isfinite(plan.huber_delta)) {
    v.Add("task.regression.huber_delta",
          absl::StrCat("must be a finite number greater than 0, not ", plan.huber_delta));
  } else if (task.huber_delta() != 0 && !plan.huber) {
    v.Add("task.regression.huber_delta", "is for loss: huber");
  }
  return plan;
}

TaskPlan PlanMultiLabel(const v1::MultiLabel& task, Violations& v) {
  TaskPlan plan;
  plan.kind = TaskPlan::Kind::kMultiLabel;
  plan.targets = Columns("task.multi_label.targets", task.targets(), v);
  plan.targets.lowest = 0;
  plan.targets.highest = 1;
  return plan;
}

// The tree of a task that has one written down, or the name of one of `builtin`.
template <typename Votes>
void PlanVotes(const std::string& field, const Votes& task, absl::string_view builtin,
               TaskPlan& plan, Violations& v) {
  if (task.has_tree()) {
    plan.tree = PlanTree(field + ".tree", task.tree(), v);
  } else if (!task.builtin_tree().empty() &&
             absl::StrContains(absl::StrCat(", ", builtin, ","),
                               absl::StrCat(" ", task.builtin_tree(), ","))) {
    plan.tree = PlanTree(field, BuiltinTree(task.builtin_tree()), v);
  } else if (!task.builtin_tree().empty()) {
    v.Add(field + ".builtin_tree",
          absl::StrCat("must be one of ", builtin, ", not \"", Quotable(task.builtin_tree()),
                       "\"; another tree can be written down in `tree`"));
  } else {
    v.Add(field, absl::StrCat("needs one of builtin_tree (", builtin, "), tree"));
  }
  plan.targets.field = field + ".tree";
  plan.targets.values = plan.tree.columns;
  plan.targets.lowest = 0;
}

TaskPlan PlanVoteFractions(const v1::VoteFractions& task, Violations& v) {
  TaskPlan plan;
  plan.kind = TaskPlan::Kind::kVoteFractions;
  PlanVotes("task.vote_fractions", task, "kaggle37", plan, v);
  plan.targets.highest = 1;
  plan.vote_cross_entropy = task.loss() == v1::VoteFractions::LOSS_CROSS_ENTROPY;
  if (!v1::VoteFractions::Loss_IsValid(task.loss())) {
    v.Add("task.vote_fractions.loss", "must be mse or cross_entropy");
  }
  return plan;
}

TaskPlan PlanVoteCounts(const v1::VoteCounts& task, Violations& v) {
  TaskPlan plan;
  plan.kind = TaskPlan::Kind::kVoteCounts;
  PlanVotes("task.vote_counts", task,
            "gz2, decals, decals_dr5, decals_dr8, decals_dr12, gz_hubble, gz_candels, "
            "gz_cosmic_dawn, gz_jwst, gz_rings, gz_evo",
            plan, v);
  plan.targets.empty_is_zero = task.missing() == v1::VoteCounts::MISSING_ZERO_VOTES;
  if (!v1::VoteCounts::Loss_IsValid(task.loss())) {
    v.Add("task.vote_counts.loss", "must be dirichlet_multinomial");
  }
  if (!v1::VoteCounts::Missing_IsValid(task.missing())) {
    v.Add("task.vote_counts.missing", "must be refuse or zero_votes");
  }
  return plan;
}

}  // namespace

std::string TaskPlan::Name() const {
  switch (kind) {
    case Kind::kClassification:
      return "classification";
    case Kind::kRegression:
      return "regression";
    case Kind::kMultiLabel:
      return "multi_label";
    case Kind::kVoteFractions:
      return "vote_fractions";
    case Kind::kVoteCounts:
      return "vote_counts";
  }
  return "";
}

TaskPlan PlanTask(const v1::Task& task, Violations& v) {
  switch (task.kind_case()) {
    case v1::Task::kClassification:
      return PlanClassification(task.classification(), v);
    case v1::Task::kRegression:
      return PlanRegression(task.regression(), v);
    case v1::Task::kMultiLabel:
      return PlanMultiLabel(task.multi_label(), v);
    case v1::Task::kVoteFractions:
      return PlanVoteFractions(task.vote_fractions(), v);
    case v1::Task::kVoteCounts:
      return PlanVoteCounts(task.vote_counts(), v);
    case v1::Task::KIND_NOT_SET:
      break;
  }
  v.Add("task",
        "needs one of classification, regression, multi_label, vote_fractions, vote_counts");
  return {};
}

std::vector<std::string> SelectableMetrics(TaskPlan::Kind kind) {
  switch (kind) {
    case TaskPlan::Kind::kClassification:
      return {"val/accuracy", "val/balanced_accuracy", "val/loss", "val/macro_f1", "val/roc_auc"};
    case TaskPlan::Kind::kRegression:
      return {"val/rmse", "val/mae", "val/r2", "val/loss"};
    case TaskPlan::Kind::kMultiLabel:
      return {"val/loss", "val/accuracy"};
    case TaskPlan::Kind::kVoteFractions:
      return {"val/rmse", "val/loss"};
    case TaskPlan::Kind::kVoteCounts:
      break;
  }
  return {"val/loss", "val/rmse"};
}

bool IsBetterHigher(const std::string& metric) {
  return metric != "val/loss" && metric != "val/rmse" && metric != "val/mae";
}

absl::StatusOr<TargetColumns> TargetsOf(const v1::Task& task) {
  v1::Task asked = task;
  if (asked.kind_case() == v1::Task::KIND_NOT_SET) asked.mutable_classification();
  Violations v;
  const TaskPlan plan = PlanTask(asked, v);
  RETURN_IF_ERROR(v.ToStatus());
  return plan.targets;
}

}  // namespace skytrain::spec
