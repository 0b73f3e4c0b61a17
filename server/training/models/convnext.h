#pragma once

#include <memory>

#include "ATen/core/Generator.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Liu et al. 2022, arXiv:2201.03545, with the names, shapes and start of torchvision's ConvNeXt
// (Nano: the same class with depths 2, 2, 8, 2 and widths 80 to 640).
std::unique_ptr<Model> MakeConvnext(const spec::ModelPlan& plan, int64_t classes,
                                    at::Generator& generator);

}  // namespace skytrain::training
