#pragma once

#include <memory>

#include "ATen/core/Generator.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Four times 3x3 convolution, BatchNorm, ReLU and 2x2 max pooling with `width`, 2, 4 and 8 times
// `width` channels, then the mean over positions and a linear layer. Names: features.{0..3}.conv,
// features.{0..3}.bn, fc. Inputs of fewer than 16 pixels are pooled less often.
std::unique_ptr<Model> MakeSmallCnn(int width, int64_t classes, at::Generator& generator);

}  // namespace skytrain::training
