#pragma once

#include <memory>

#include "ATen/core/Generator.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Tan & Le 2019, arXiv:1905.11946, B0, with the names, shapes and start of torchvision's
// efficientnet_b0.
std::unique_ptr<Model> MakeEfficientnet(const spec::ModelPlan& plan, int64_t classes,
                                        at::Generator& generator);

}  // namespace skytrain::training
