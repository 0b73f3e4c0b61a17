#pragma once

#include <memory>

#include "ATen/core/Generator.h"
#include "absl/status/statusor.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// He et al. 2015, arXiv:1512.03385, with torchvision's parameter names, shapes and order (stride on
// the 3x3 convolution). `plan.depth`: 18, 34, 50 or 101. With Stem::kCifar conv1 is 3x3 of stride 1
// and nothing is pooled before layer1. INVALID_ARGUMENT.
absl::StatusOr<std::unique_ptr<Model>> MakeResnet(const spec::ModelPlan& plan, int64_t classes,
                                                  at::Generator& generator);

}  // namespace skytrain::training
