#include "server/training/checkpoint/model_card.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "google/protobuf/util/json_util.h"

namespace skytrain::training {
namespace {

using Json = nlohmann::json;

constexpr char kFormat[] = "skytrain.model.v1";

Json NumberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double NumberOrNan(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

absl::Status Corrupt(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "MODEL_CORRUPT",
                         absl::StrCat("model.json cannot be used: ", what));
}

Json ExperimentToJson(const v1::Experiment& experiment) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(experiment, &text, options).ok()) return {};
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Json PreprocessingToJson(const ModelCard& card) {
  Json json = {{"mean", card.normalisation.mean}, {"std", card.normalisation.deviation}};
  if (!card.columns.empty()) {
    json["columns"] = card.columns;
    return json;
  }
  const v1::ImageView& view = card.experiment.data().image();
  json["center_crop"] = view.center_crop() > 0.0 ? view.center_crop() : 1.0;
  json["size"] = view.size();
  json["channels"] = "RGB";
  json["pixels"] = "[0, 1]";
  return json;
}

ModelCard Parse(const Json& json) {
  ModelCard card;
  card.family = json.at("family").get<std::string>();
  card.classes = json.at("classes").get<std::vector<std::string>>();
  const Json& preprocessing = json.at("preprocessing");
  card.normalisation.mean = preprocessing.at("mean").get<std::vector<double>>();
  card.normalisation.deviation = preprocessing.at("std").get<std::vector<double>>();
  if (preprocessing.contains("columns")) {
    card.columns = preprocessing["columns"].get<std::vector<std::string>>();
  }
  if (json.contains("targets")) {
    card.targets = json["targets"].at("names").get<std::vector<std::string>>();
    card.target_mean = json["targets"].at("mean").get<std::vector<double>>();
    card.target_deviation = json["targets"].at("std").get<std::vector<double>>();
  }
  card.parameters = json.at("parameters").get<int64_t>();
  card.step = json.at("step").get<int64_t>();
  card.epoch = json.at("epoch").get<int>();
  for (const Json& report : json.at("reports")) card.reports.push_back(ReportFromJson(report));
  card.job = json.at("job").get<std::string>();
  card.source = json.value("source", "");
  card.build = json.at("build").get<std::string>();
  card.torch_version = json.at("torch_version").get<std::string>();
  card.instruction_set = json.at("instruction_set").get<std::string>();
  card.precision = json.value("precision", "fp32");  // Absent from cards of the first version.
  card.threads = json.at("threads").get<int>();
  card.data_fingerprint = json.at("data_fingerprint").get<std::string>();
  if (json.contains("files")) {
    for (const Json& file : json["files"]) {
      card.files.push_back(
          {file.at("name").get<std::string>(),
           {file.at("sha256").get<std::string>(), file.at("size_bytes").get<int64_t>()}});
    }
  }
  card.weights = {json.at("sha256").get<std::string>(), json.at("size_bytes").get<int64_t>()};
  return card;
}

void AddClasses(const v1::EvaluationReport& report, Json& json) {
  Json recall = Json::array();
  for (const double value : report.recall()) recall.push_back(NumberOrNull(value));
  Json matrix = Json::array();
  const int classes = report.classes_size();
  for (int label = 0; label < classes; ++label) {
    Json row = Json::array();
    for (int k = 0; k < classes; ++k) row.push_back(report.confusion_matrix(label * classes + k));
    matrix.push_back(std::move(row));
  }
  json["accuracy"] = NumberOrNull(report.accuracy());
  json["balanced_accuracy"] = NumberOrNull(report.balanced_accuracy());
  json["classes"] = std::vector<std::string>(report.classes().begin(), report.classes().end());
  json["recall"] = std::move(recall);
  json["confusion_matrix"] = std::move(matrix);
}

}  // namespace

Json ReportToJson(const v1::EvaluationReport& report) {
  Json json = {{"task", report.task()},
               {"split", report.split()},
               {"count", report.count()},
               {"loss", NumberOrNull(report.loss())},
               {"measures", Json::object()}};
  for (const auto& measure : report.measures()) {
    json["measures"][measure.name()] = NumberOrNull(measure.value());
  }
  if (report.classes_size() > 0) AddClasses(report, json);
  return json;
}

v1::EvaluationReport ReportFromJson(const Json& json) {
  v1::EvaluationReport report;
  report.set_task(json.at("task").get<std::string>());
  report.set_split(json.at("split").get<std::string>());
  report.set_count(json.at("count").get<int64_t>());
  report.set_loss(NumberOrNan(json.at("loss")));
  for (const auto& [name, value] : json.at("measures").items()) {
    v1::EvaluationReport::Measure& measure = *report.add_measures();
    measure.set_name(name);
    measure.set_value(NumberOrNan(value));
  }
  if (!json.contains("classes")) return report;
  report.set_accuracy(NumberOrNan(json.at("accuracy")));
  report.set_balanced_accuracy(NumberOrNan(json.at("balanced_accuracy")));
  for (const Json& name : json.at("classes")) report.add_classes(name.get<std::string>());
  for (const Json& value : json.at("recall")) report.add_recall(NumberOrNan(value));
  for (const Json& row : json.at("confusion_matrix")) {
    for (const Json& cell : row) report.add_confusion_matrix(cell.get<int64_t>());
  }
  return report;
}

std::string ToJson(const ModelCard& card) {
  Json reports = Json::array();
  for (const v1::EvaluationReport& report : card.reports) reports.push_back(ReportToJson(report));
  Json json = {{"format", kFormat},
               {"family", card.family},
               {"classes", card.classes},
               {"preprocessing", PreprocessingToJson(card)},
               {"parameters", card.parameters},
               {"step", card.step},
               {"epoch", card.epoch},
               {"reports", std::move(reports)},
               {"experiment", ExperimentToJson(card.experiment)},
               {"job", card.job},
               {"build", card.build},
               {"torch_version", card.torch_version},
               {"instruction_set", card.instruction_set},
               {"precision", card.precision},
               {"threads", card.threads},
               {"data_fingerprint", card.data_fingerprint},
               {"sha256", card.weights.sha256},  // Of model.safetensors.
               {"size_bytes", card.weights.size_bytes}};
  for (const NamedDigest& file : card.files) {
    json["files"].push_back({{"name", file.name},
                             {"sha256", file.digest.sha256},
                             {"size_bytes", file.digest.size_bytes}});
  }
  if (!card.targets.empty()) {
    json["targets"] = {
        {"names", card.targets}, {"mean", card.target_mean}, {"std", card.target_deviation}};
  }
  if (!card.source.empty()) json["source"] = card.source;
  // Lineage: the model whose weights training started from.
  if (card.experiment.has_init()) json["parent"] = card.experiment.init().model();
  return json.dump(2) + "\n";
}

absl::StatusOr<ModelCard> ModelCardFromJson(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", "") != kFormat) {
    return Corrupt(absl::StrCat("it is not a card of format ", kFormat));
  }
  try {
    ModelCard card = Parse(json);
    const auto parsed =
        google::protobuf::util::JsonStringToMessage(json.at("experiment").dump(), &card.experiment);
    if (!parsed.ok()) return Corrupt("its experiment is not one");
    return card;
  } catch (const Json::exception& error) {
    return Corrupt(error.what());
  }
}

}  // namespace skytrain::training
