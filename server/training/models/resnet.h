#pragma once

#include <memory>

#include "ATen/core/Generator.h"
#include "absl/status/statusor.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// He et al. 2015, arXiv:1512.03385, with torchvision's parameter names, shapes and order. `depth`:
// 18, 34 or 50 (stride on the 3x3 convolution, as torchvision has it). INVALID_ARGUMENT otherwise.
absl::StatusOr<std::unique_ptr<Model>> MakeResnet(int depth, int64_t classes,
                                                  at::Generator& generator);

}  // namespace skytrain::training
