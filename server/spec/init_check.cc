#include "server/spec/init_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/spec/model_check.h"

namespace skytrain::spec {
namespace {

std::string ListOf(const std::vector<std::string>& names) {
  return Quotable(absl::StrJoin(names, ", "));
}

}  // namespace

InitPlan PlanInit(const v1::Init& init, const ModelPlan& model, Violations& v) {
  InitPlan plan;
  plan.model = init.model();
  if (plan.model.empty()) {
    v.Add("init.model", "required: models/{model}/versions/{version}, or NAME@VERSION");
  }
  switch (init.head()) {
    case v1::Init::HEAD_UNSPECIFIED:
      break;
    case v1::Init::HEAD_NEW:
      plan.head = InitPlan::Head::kNew;
      break;
    case v1::Init::HEAD_KEEP:
      plan.head = InitPlan::Head::kKeep;
      break;
    default:
      v.Add("init.head", "must be new or keep");
  }
  const std::vector<std::string> stages = StageNames(model);
  for (int i = 0; i < init.freeze_size(); ++i) {
    const auto stage = std::find(stages.begin(), stages.end(), init.freeze(i));
    if (stage == stages.end()) {
      v.Add(absl::StrCat("init.freeze[", i, "]"),
            stages.empty()
                ? absl::StrCat(model.Name(), " without hidden layers has no stages")
                : absl::StrCat("must be one of ", absl::StrJoin(stages, ", "), " of ", model.Name(),
                               ", not \"", Quotable(init.freeze(i)), "\""));
      continue;
    }
    plan.freeze.push_back(static_cast<int>(stage - stages.begin()));
  }
  if (init.layer_decay() != 0) plan.layer_decay = init.layer_decay();
  if (!(plan.layer_decay > 0 && plan.layer_decay <= 1)) {
    v.Add("init.layer_decay",
          absl::StrCat("must be greater than 0 and at most 1, not ", init.layer_decay()));
  }
  return plan;
}

absl::Status CompleteFromModel(const v1::Model& from, const v1::Experiment& trained,
                               v1::Experiment& experiment) {
  Violations v, unused;
  // An alias, or no version, means the one that it stands for now, not when the job runs.
  experiment.mutable_init()->set_model(from.name());
  if (experiment.model().family_case() == v1::ModelSpec::FAMILY_NOT_SET) {
    *experiment.mutable_model() = trained.model();
  }
  const std::string own = PlanModel(experiment.model(), 0, /*image=*/true, unused).Name();
  const std::string theirs = PlanModel(trained.model(), 0, /*image=*/true, unused).Name();
  if (own != theirs) {
    v.Add("model", absl::StrCat("is ", own, ", but ", from.name(), " is ", theirs,
                                ": leave `model` out, or start from another"));
  }
  v1::Data& data = *experiment.mutable_data();
  if (data.has_image() && !trained.data().has_image()) {
    v.Add("data.image", absl::StrCat("is for images; ", from.name(), " takes a table's columns"));
  } else if (!data.has_image() && trained.data().has_image()) {
    *data.mutable_image() = trained.data().image();
    // How it was normalised is in its card: not by this data set.
    data.mutable_image()->clear_normalize();
  }
  return v.ToStatus();
}

absl::Status CheckHead(const v1::Init& init, const v1::Model& from,
                       const std::vector<std::string>& classes) {
  const std::vector<std::string> theirs(from.classes().begin(), from.classes().end());
  if (init.head() != v1::Init::HEAD_KEEP || classes == theirs) return absl::OkStatus();
  Violations v;
  v.Add("init.head",
        absl::StrCat("cannot be kept: the classes are ", ListOf(classes), ", those of ",
                     from.name(), " ", ListOf(theirs), ". Say `head: new`"));
  return v.ToStatus();
}

}  // namespace skytrain::spec
