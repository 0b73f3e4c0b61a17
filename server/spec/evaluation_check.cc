#include "server/spec/evaluation_check.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/spec/check.h"
#include "server/spec/output_plan.h"

namespace skytrain::spec {
namespace {

constexpr int kMostModels = 64;  // Besides the first.
constexpr int kMostPasses = 1000;

void CheckOutput(const v1::Evaluation& evaluation, Violations& v) {
  // Whether the model sees images is known only later.
  const OutputPlan output = PlanOutput(evaluation.output(), {}, /*images=*/true, v);
  if (!evaluation.unlabelled()) return;
  if (output.predictions == OutputPlan::Format::kNone) {
    v.Add("output.predictions",
          "required with unlabelled: nothing is measured, so nothing would be left of the job");
  }
  if (output.mistakes > 0) {
    v.Add("output.mistakes", "must be 0 with unlabelled: without labels nothing is a mistake");
  }
  if (!evaluation.split().empty()) {
    v.Add("split", "must be empty with unlabelled: all samples are predicted");
  }
  if (evaluation.data().has_classes()) {
    v.Add("data.classes", "must be empty with unlabelled: the samples have no classes");
  }
}

// How a model sees images, for messages.
std::string ViewOf(const ViewPlan& view) {
  if (view.size == 0) return "a table";
  return absl::StrCat(view.size, " px of the central ", view.center_crop);
}

bool SameView(const TrainedModel& a, const TrainedModel& b, const TrainingPlan& plan_a,
              const TrainingPlan& plan_b) {
  return plan_a.view.size == plan_b.view.size &&
         plan_a.view.center_crop == plan_b.view.center_crop &&
         a.trained.data().image().stretch().SerializeAsString() ==
             b.trained.data().image().stretch().SerializeAsString();
}

std::string NamesOf(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + std::min(kShown, names.size()));
  return absl::StrCat(absl::StrJoin(shown, ", "), names.size() > kShown ? ", …" : "");
}

std::vector<std::string> ClassesOf(const v1::Model& model) {
  return {model.classes().begin(), model.classes().end()};
}

}  // namespace

void CheckPrediction(const v1::Evaluation& evaluation, Violations& v) {
  if (evaluation.ensemble_size() > kMostModels) {
    v.Add("ensemble",
          absl::StrCat("at most ", kMostModels, " models, not ", evaluation.ensemble_size()));
  }
  for (int i = 0; i < evaluation.ensemble_size(); ++i) {
    if (const auto name = ParseModelName(evaluation.ensemble(i)); !name.ok()) {
      v.Add(absl::StrCat("ensemble[", i, "]"), std::string(name.status().message()));
    }
  }
  v.Range("dropout_samples", evaluation.dropout_samples(), 0, kMostPasses);
  CheckOutput(evaluation, v);
}

absl::Status CheckModels(const v1::Evaluation& evaluation,
                         const std::vector<TrainedModel>& models) {
  Violations v;
  const TrainedModel& first = models.front();
  ASSIGN_OR_RETURN(const TrainingPlan first_plan, MakePlan(first.trained));
  for (size_t i = 0; i < models.size(); ++i) {
    const TrainedModel& one = models[i];
    const std::string field = i == 0 ? "model" : absl::StrCat("ensemble[", i - 1, "]");
    ASSIGN_OR_RETURN(const TrainingPlan plan, MakePlan(one.trained));
    if (evaluation.dropout_samples() > 0 && plan.model.dropout == 0.0) {
      v.Add("dropout_samples", absl::StrCat("needs models with dropout, and ", one.model.name(),
                                            " (", one.model.family(), ") was trained without"));
    }
    const std::string who =
        absl::StrCat(one.model.name(), " cannot be averaged with ", first.model.name(), ": ");
    if (plan.task.kind != first_plan.task.kind) {
      v.Add(field, absl::StrCat(who, "one is for ", plan.task.Name(), ", the other for ",
                                first_plan.task.Name()));
    } else if (ClassesOf(one.model) != ClassesOf(first.model)) {
      v.Add(field, absl::StrCat(who, "one knows ", NamesOf(ClassesOf(one.model)), ", the other ",
                                NamesOf(ClassesOf(first.model)),
                                "; classes and their order must be the same"));
    } else if (plan.task.targets.values != first_plan.task.targets.values) {
      v.Add(field, absl::StrCat(who, "one predicts ", NamesOf(plan.task.targets.values),
                                ", the other ", NamesOf(first_plan.task.targets.values)));
    }
    if (!SameView(one, first, plan, first_plan)) {
      v.Add(field, absl::StrCat(who, "one sees ", ViewOf(plan.view), ", the other ",
                                ViewOf(first_plan.view),
                                "; data.image (size, center_crop, stretch) must be the same"));
    }
  }
  if (first_plan.view.size == 0) {
    if (evaluation.dihedral()) {
      v.Add("dihedral", "is for images, and the model sees a table: leave it out");
    }
    if (evaluation.output().mistakes() > 0) {
      v.Add("output.mistakes", "is for images, and the model sees a table: leave it out");
    }
  }
  return v.ToStatus();
}

}  // namespace skytrain::spec
