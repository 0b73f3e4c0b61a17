#pragma once

#include <vector>

#include "absl/status/status.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain::spec {

// What `evaluation` by itself says of how to predict and what to write; mistakes go to `v`.
void CheckPrediction(const v1::Evaluation& evaluation, Violations& v);

// A published model and the experiment that made it.
struct TrainedModel {
  v1::Model model;
  v1::Experiment trained;
};

// Whether `models`, that of `evaluation` and then its ensemble, can be asked together: of one task,
// with the same classes or targets, which see images alike; and asked so: dihedral needs images,
// dropout_samples dropout. INVALID_ARGUMENT (INVALID_EXPERIMENT).
absl::Status CheckModels(const v1::Evaluation& evaluation, const std::vector<TrainedModel>& models);

}  // namespace skytrain::spec
