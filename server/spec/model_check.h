#pragma once

#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// The network that `spec` asks for, defaults filled in; mistakes go to `v`. `size`: side of the
// images, 0 where it is not known; `image`: whether the experiment says how it sees images.
ModelPlan PlanModel(const v1::ModelSpec& spec, int size, bool image, Violations& v);

}  // namespace skytrain::spec
