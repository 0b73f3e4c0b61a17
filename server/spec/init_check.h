#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain::spec {

// `init` of an experiment whose network is `model`; mistakes go to `v`.
InitPlan PlanInit(const v1::Init& init, const ModelPlan& model, Violations& v);

// Fills in what `experiment`, which has an `init`, leaves to the model `from` that it starts from:
// which version that is, `model` and `data.image`. `trained`: the experiment that made it.
// INVALID_ARGUMENT (INVALID_EXPERIMENT) where the two do not fit together.
absl::Status CompleteFromModel(const v1::Model& from, const v1::Experiment& trained,
                               v1::Experiment& experiment);

// INVALID_ARGUMENT (INVALID_EXPERIMENT) where the head is to be kept, and `classes` are not those
// of `from`.
absl::Status CheckHead(const v1::Init& init, const v1::Model& from,
                       const std::vector<std::string>& classes);

}  // namespace skytrain::spec
