#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/spec/plan.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/model_service.pb.h"

namespace skytrain::spec {

// An import with every default filled in. Plain data.
struct ImportPlan {
  // What the card of the model says that it is: as if it had been trained on a data set "imported"
  // for one epoch, so that it can be evaluated and started from like any other.
  v1::Experiment experiment;
  ModelPlan model;
  TaskPlan task;
  int size = 0;          // Side of the images.
  bool imagenet = true;  // Normalised by its constants; else not at all.
  // Of the last layer's outputs. Empty: classes that have numbers for names, as many as it has.
  std::vector<std::string> outputs;
};

// The worst that can be said of `request` without a look at the weights. INVALID_ARGUMENT
// (BAD_NAME: of the model; INVALID_MODEL: a violation for each wrong field of the request).
absl::StatusOr<ImportPlan> PlanImport(const v1::ImportModelRequest& request);

// [a-z0-9-]{3,40}, a letter in front and no hyphen at the end. INVALID_ARGUMENT (BAD_NAME).
absl::Status ValidateImportId(absl::string_view model_id);

}  // namespace skytrain::spec
