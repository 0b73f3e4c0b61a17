#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain {

// Fills family, classes, reports, parameters, step, data fingerprint, parent and source of `model`
// from the text of a model.json. Unknown keys are skipped, known ones of the wrong type are
// DATA_LOSS (MODEL_CORRUPT). `weights_sha256` becomes the digest of model.safetensors that the card
// states; empty: none.
absl::Status ReadModelCard(absl::string_view json, v1::Model* model, std::string* weights_sha256);

// What the model was trained by. DATA_LOSS (MODEL_CORRUPT).
absl::StatusOr<v1::Experiment> ReadExperimentOfCard(absl::string_view json);

}  // namespace skytrain
