#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/spec/plan.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain::spec {

// Checks `experiment` by itself and fills in its defaults. All mistakes at once: INVALID_ARGUMENT
// (INVALID_EXPERIMENT) with a violation per field ("train.epochs": "must be between 1 and
// 1,000,000, not -3").
absl::StatusOr<TrainingPlan> MakePlan(const v1::Experiment& experiment);

// Checks it against what the probe found: classes with samples, splits that exist and are not
// empty, a batch that fits, family and data kind. INVALID_ARGUMENT (INVALID_EXPERIMENT or
// DATA_INVALID). The estimate is from shapes alone.
absl::StatusOr<v1::Estimate> CheckAgainstData(const v1::Experiment& experiment,
                                              const TrainingPlan& plan,
                                              const v1::DatasetManifest& manifest);

// Whether the images of `manifest`, decoded for `view` with the margin for `augment`, take at most
// `most` bytes (retention.cache_bytes; 0: no bound): a cache that is larger would be removed after
// each job, and decoded anew for the next. INVALID_ARGUMENT (INVALID_EXPERIMENT) naming `field`,
// what is needed and what there may be.
absl::Status CheckDecodedSize(const ViewPlan& view, const AugmentPlan& augment,
                              const v1::DatasetManifest& manifest, int64_t most,
                              const std::string& field);

// Whether anything could be trained on it: a sample at least, and no problem that the policies of
// `data` do not allow. INVALID_ARGUMENT (DATA_INVALID).
absl::Status CheckUsable(const v1::Data& data, const v1::DatasetManifest& manifest);

// A hint worth showing beside an accepted job ("33 cigar of 1,974: consider class_weights"), or
// empty.
std::string DataWarning(const v1::Data& data, const v1::DatasetManifest& manifest);

absl::Status CheckEvaluation(const v1::Evaluation& evaluation);

// Trainable parameters of `model` for `classes` outputs and `inputs` features (tables) or 3-channel
// images of `size`.
int64_t CountParameters(const ModelPlan& model, int classes, int inputs, int size);

}  // namespace skytrain::spec
