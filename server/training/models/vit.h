#pragma once

#include <cstdint>
#include <memory>

#include "ATen/core/Generator.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Dosovitskiy et al. 2020, arXiv:2010.11929, small (12 layers, width 384, 6 heads) for images of
// side `size`, a multiple of `plan.patch`, with the names, shapes and start of torchvision's
// VisionTransformer.
std::unique_ptr<Model> MakeVit(const spec::ModelPlan& plan, int64_t size, int64_t classes,
                               at::Generator& generator);

}  // namespace skytrain::training
