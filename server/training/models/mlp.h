#pragma once

#include <cstdint>
#include <memory>

#include "ATen/core/Generator.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Linear layers with `plan.activation` between them, on tables or on images flattened in [C, H, W]
// order. Names as torch.nn.Sequential(Linear, activation, Linear, …) has them: "0.weight",
// "2.weight", …
std::unique_ptr<Model> MakeMlp(const spec::ModelPlan& plan, int64_t inputs, int64_t classes,
                               at::Generator& generator);

}  // namespace skytrain::training
