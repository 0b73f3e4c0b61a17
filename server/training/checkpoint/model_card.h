#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/input/normalisation.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::training {

// A file of a folder.
struct NamedDigest {
  std::string name;
  FileDigest digest;
};

// model.json: everything that the weights alone do not say. README.md shows one.
struct ModelCard {
  std::string family;  // "resnet18", "small_cnn", "mlp".
  std::vector<std::string> classes;
  v1::Experiment experiment;  // As submitted: the model's shape, the view of an image, the target.
  Normalisation normalisation;
  // Names of the model's predictions where these are no classes; of a regression also what they
  // were standardised by.
  std::vector<std::string> targets;
  std::vector<double> target_mean, target_deviation;
  std::vector<std::string> columns;  // Of a table, in the order of the inputs.
  int64_t parameters = 0;
  int64_t step = 0;  // Of the published weights.
  int epoch = 0;
  std::vector<v1::EvaluationReport> reports;  // Of the published weights.
  std::string job;                            // Empty: imported.
  std::string source;                         // Where imported weights come from.
  std::string build;
  std::string torch_version;
  std::string instruction_set;
  std::string precision;  // Of training, "fp32" or "bf16". The published weights are float32.
  std::string data_fingerprint;
  int threads = 1;
  FileDigest weights;              // model.safetensors
  std::vector<NamedDigest> files;  // What else is in the folder: predictions.csv, mistakes.png.
};

std::string ToJson(const ModelCard& card);
// DATA_LOSS (MODEL_CORRUPT) for anything that ToJson did not write.
absl::StatusOr<ModelCard> ModelCardFromJson(absl::string_view text);

// EvaluationReport with snake_case keys, counts as numbers, and null for what is not finite.
nlohmann::json ReportToJson(const v1::EvaluationReport& report);
v1::EvaluationReport ReportFromJson(const nlohmann::json& json);  // Throws nlohmann's exceptions.

}  // namespace skytrain::training
