#include "server/spec/import_check.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/spec/check.h"
#include "server/spec/violations.h"

namespace skytrain::spec {
namespace {

constexpr size_t kLongestId = 40;
constexpr size_t kMostSourceBytes = 1000;
constexpr int kMostOutputs = 100'000;
constexpr size_t kMostOutputBytes = 1 << 20;  // Of all names; a model's card must stay sendable.
constexpr size_t kLongestOutput = 200;
constexpr char kImported[] = "imported";

// The request's name for a field of the experiment that is made of it.
std::string FieldOfRequest(absl::string_view field) {
  if (absl::ConsumePrefix(&field, "model")) return absl::StrCat("architecture", field);
  absl::ConsumePrefix(&field, "data.");
  return std::string(field);
}

void CheckOutputs(const v1::ImportModelRequest& request, Violations& v) {
  if (request.outputs_size() > kMostOutputs) {
    v.Add("outputs", absl::StrCat("at most ", Violations::Grouped(kMostOutputs), " names"));
    return;
  }
  size_t bytes = 0;
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < request.outputs_size(); ++i) {
    const std::string& name = request.outputs(i);
    const std::string field = absl::StrCat("outputs[", i, "]");
    bytes += name.size();
    if (name.empty()) return v.Add(field, "is empty");
    if (name.size() > kLongestOutput) {
      return v.Add(field, absl::StrCat("has more than ", kLongestOutput, " bytes: \"",
                                       Quotable(name), "\""));
    }
    if (!seen.insert(name).second) {
      return v.Add(field, absl::StrCat("\"", Quotable(name), "\" is there twice"));
    }
  }
  if (bytes > kMostOutputBytes) v.Add("outputs", "are longer than 1 MiB together");
}

// Names of a task's targets are outputs, and the other way round.
void FillTargets(const v1::ImportModelRequest& request, v1::Task& task) {
  google::protobuf::RepeatedPtrField<std::string>* targets = nullptr;
  if (task.has_regression()) targets = task.mutable_regression()->mutable_targets();
  if (task.has_multi_label()) targets = task.mutable_multi_label()->mutable_targets();
  if (targets != nullptr && targets->empty()) *targets = request.outputs();
}

void CheckImage(const v1::ImportModelRequest& request, v1::ImageView& image, Violations& v) {
  if (!request.has_image()) {
    v.Add("image",
          "required: the side of the images that the weights are for, image.size. Models of tables "
          "cannot be imported");
  }
  switch (image.normalize().kind_case()) {
    case v1::Normalize::kDataset:
      v.Add("image.normalize", "must be imagenet or none: there is no data set");
      break;
    case v1::Normalize::KIND_NOT_SET:
      image.mutable_normalize()->mutable_imagenet();
      break;
    case v1::Normalize::kImagenet:
    case v1::Normalize::kNone:
      break;
  }
}

}  // namespace

absl::Status ValidateImportId(absl::string_view model_id) {
  if (model_id.size() <= kLongestId && !model_id.empty() && absl::ascii_islower(model_id.front()) &&
      ValidateJobId(model_id).ok()) {
    return absl::OkStatus();
  }
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_NAME",
      absl::StrCat("'", Quotable(model_id), "' is no name for a model: 3 to ", kLongestId,
                   " of a-z, 0-9 and '-', a letter in front and no '-' at the end"));
}

absl::StatusOr<ImportPlan> PlanImport(const v1::ImportModelRequest& request) {
  RETURN_IF_ERROR(ValidateImportId(request.model_id()));
  Violations v;
  ImportPlan plan;
  v1::Experiment& experiment = plan.experiment;
  experiment.set_name(request.model_id());
  experiment.mutable_data()->set_dataset(kImported);
  experiment.mutable_train()->set_epochs(1);
  *experiment.mutable_model() = request.architecture();
  *experiment.mutable_task() = request.task();
  if (request.task().kind_case() == v1::Task::KIND_NOT_SET) {
    experiment.mutable_task()->mutable_classification();
  }
  FillTargets(request, *experiment.mutable_task());
  v1::ImageView& image = *experiment.mutable_data()->mutable_image();
  image = request.image();
  CheckImage(request, image, v);
  CheckOutputs(request, v);
  if (request.source().size() > kMostSourceBytes) {
    v.Add("source", absl::StrCat("must have at most ", kMostSourceBytes, " bytes, not ",
                                 request.source().size()));
  }
  const absl::StatusOr<TrainingPlan> training = MakePlan(experiment);
  if (!training.ok()) {
    for (const FieldViolation& wrong : ViolationsOf(training.status())) {
      const std::string field = FieldOfRequest(wrong.field);
      if (field == "image.size" && !request.has_image()) continue;  // Said above.
      v.Add(field, wrong.description);
    }
    RETURN_IF_ERROR(v.ToStatus("INVALID_MODEL"));
    return training.status();
  }
  plan.model = training->model;
  plan.task = training->task;
  plan.size = training->view.size;
  plan.imagenet = image.normalize().has_imagenet();
  plan.outputs = {request.outputs().begin(), request.outputs().end()};
  const std::vector<std::string>& targets = plan.task.targets.values;
  if (plan.outputs.empty()) {
    plan.outputs = targets;
  } else if (!targets.empty() && plan.outputs != targets) {
    v.Add("outputs", absl::StrCat("must be the targets of the task, in their order, or be left "
                                  "out: ",
                                  plan.outputs.size(), " names, of which one at least differs"));
  }
  RETURN_IF_ERROR(v.ToStatus("INVALID_MODEL"));
  return plan;
}

}  // namespace skytrain::spec
