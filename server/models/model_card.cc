#include "server/models/model_card.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "google/protobuf/util/json_util.h"

namespace skytrain {
namespace {

using nlohmann::json;

absl::Status CardError(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "MODEL_CORRUPT",
                         absl::StrCat("model.json: ", what));
}

// JSON has no NaN; the card writes null for the recall of a class without samples.
absl::StatusOr<double> Number(const json& value, absl::string_view key) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!value.is_number()) return CardError(absl::StrCat(key, " is not a number"));
  return value.get<double>();
}

template <typename Set>
absl::Status ReadText(const json& object, const char* key, Set set) {
  const auto found = object.find(key);
  if (found == object.end()) return absl::OkStatus();
  if (!found->is_string()) return CardError(absl::StrCat(key, " is not text"));
  set(found->get<std::string>());
  return absl::OkStatus();
}

template <typename Set>
absl::Status ReadInteger(const json& object, const char* key, Set set) {
  const auto found = object.find(key);
  if (found == object.end()) return absl::OkStatus();
  if (!found->is_number_integer()) return CardError(absl::StrCat(key, " is not a whole number"));
  set(found->get<int64_t>());
  return absl::OkStatus();
}

template <typename Set>
absl::Status ReadNumber(const json& object, const char* key, Set set) {
  const auto found = object.find(key);
  if (found == object.end()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const double value, Number(*found, key));
  set(value);
  return absl::OkStatus();
}

// Calls `add` for each element of the array `key`.
template <typename Add>
absl::Status ReadArray(const json& object, const char* key, Add add) {
  const auto found = object.find(key);
  if (found == object.end()) return absl::OkStatus();
  if (!found->is_array()) return CardError(absl::StrCat(key, " is not a list"));
  for (const json& element : *found) RETURN_IF_ERROR(add(element));
  return absl::OkStatus();
}

template <typename Message>
absl::Status ReadClasses(const json& object, Message* message) {
  return ReadArray(object, "classes", [&](const json& name) {
    if (!name.is_string()) return CardError("classes: a name is not text");
    message->add_classes(name.get<std::string>());
    return absl::OkStatus();
  });
}

absl::Status ReadMeasures(const json& object, v1::EvaluationReport* report) {
  const auto found = object.find("measures");
  if (found == object.end()) return absl::OkStatus();
  if (!found->is_object()) return CardError("measures is not an object");
  for (const auto& [name, value] : found->items()) {
    ASSIGN_OR_RETURN(const double number, Number(value, name));
    v1::EvaluationReport::Measure& measure = *report->add_measures();
    measure.set_name(name);
    measure.set_value(number);
  }
  return absl::OkStatus();
}

absl::Status ReadReport(const json& object, v1::EvaluationReport* report) {
  if (!object.is_object()) return CardError("a report is not an object");
  RETURN_IF_ERROR(ReadText(object, "split", [&](std::string v) { report->set_split(v); }));
  RETURN_IF_ERROR(ReadInteger(object, "count", [&](int64_t v) { report->set_count(v); }));
  RETURN_IF_ERROR(ReadNumber(object, "loss", [&](double v) { report->set_loss(v); }));
  RETURN_IF_ERROR(ReadNumber(object, "accuracy", [&](double v) { report->set_accuracy(v); }));
  RETURN_IF_ERROR(
      ReadNumber(object, "balanced_accuracy", [&](double v) { report->set_balanced_accuracy(v); }));
  RETURN_IF_ERROR(ReadText(object, "task", [&](std::string v) { report->set_task(v); }));
  RETURN_IF_ERROR(ReadMeasures(object, report));
  RETURN_IF_ERROR(ReadClasses(object, report));
  RETURN_IF_ERROR(ReadArray(object, "recall", [&](const json& value) -> absl::Status {
    ASSIGN_OR_RETURN(const double recall, Number(value, "recall"));
    report->add_recall(recall);
    return absl::OkStatus();
  }));
  const auto add_count = [&](const json& value) {
    if (!value.is_number_integer()) return CardError("confusion_matrix: not a whole number");
    report->add_confusion_matrix(value.get<int64_t>());
    return absl::OkStatus();
  };
  // Flat, or a list of rows.
  return ReadArray(object, "confusion_matrix", [&](const json& row) -> absl::Status {
    if (!row.is_array()) return add_count(row);
    for (const json& value : row) RETURN_IF_ERROR(add_count(value));
    return absl::OkStatus();
  });
}

// Where the card has none, the task stays unset.
absl::Status ReadTask(const json& card, v1::Model* model) {
  const auto experiment = card.find("experiment");
  if (experiment == card.end() || !experiment->is_object()) return absl::OkStatus();
  const auto task = experiment->find("task");
  if (task == experiment->end()) return absl::OkStatus();
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // Of a worker that is newer.
  if (!google::protobuf::util::JsonStringToMessage(task->dump(), model->mutable_task(), options)
           .ok()) {
    return CardError("its task is not one");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadModelCard(absl::string_view text, v1::Model* model, std::string* weights_sha256) {
  const json card = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!card.is_object()) return CardError("is not a JSON object");
  RETURN_IF_ERROR(ReadText(card, "family", [&](std::string v) { model->set_family(v); }));
  RETURN_IF_ERROR(ReadClasses(card, model));
  RETURN_IF_ERROR(ReadTask(card, model));
  RETURN_IF_ERROR(ReadInteger(card, "parameters", [&](int64_t v) { model->set_parameters(v); }));
  RETURN_IF_ERROR(ReadInteger(card, "step", [&](int64_t v) { model->set_step(v); }));
  RETURN_IF_ERROR(ReadText(card, "data_fingerprint",
                           [&](std::string v) { model->set_data_fingerprint(std::move(v)); }));
  RETURN_IF_ERROR(ReadText(card, "parent", [&](std::string v) { model->set_parent(v); }));
  RETURN_IF_ERROR(
      ReadText(card, "source", [&](std::string v) { model->set_source(std::move(v)); }));
  RETURN_IF_ERROR(ReadText(card, "sha256", [&](std::string v) { *weights_sha256 = std::move(v); }));
  return ReadArray(card, "reports",
                   [&](const json& report) { return ReadReport(report, model->add_reports()); });
}

absl::StatusOr<v1::Experiment> ReadExperimentOfCard(absl::string_view text) {
  const json card = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!card.is_object()) return CardError("is not a JSON object");
  v1::Experiment experiment;
  const auto found = card.find("experiment");
  if (found == card.end() ||
      !google::protobuf::util::JsonStringToMessage(found->dump(), &experiment).ok()) {
    return CardError("experiment: is not one");
  }
  return experiment;
}

}  // namespace skytrain
