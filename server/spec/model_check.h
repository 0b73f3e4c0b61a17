#pragma once

#include <string>
#include <vector>

#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// The network that `spec` asks for, defaults filled in; mistakes go to `v`. `size`: side of the
// images, 0 where it is not known; `image`: whether the experiment says how it sees images.
ModelPlan PlanModel(const v1::ModelSpec& spec, int size, bool image, Violations& v);

// The stages of a network by which it is frozen and its learning rates differ, from its input on:
// "stem", "stage1", … The head is behind them and has no name.
std::vector<std::string> StageNames(const ModelPlan& model);

}  // namespace skytrain::spec
