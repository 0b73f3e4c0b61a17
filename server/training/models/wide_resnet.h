#pragma once

#include <memory>

#include "ATen/core/Generator.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Zagoruyko & Komodakis 2016, arXiv:1605.07146: three groups of pre-activation blocks behind a 3x3
// convolution. Neither torchvision nor timm has it: names, shapes and start are those of the usual
// PyTorch implementation (WideResNet-pytorch): conv1, block{1..3}.layer.{i}.{bn1,conv1,bn2,conv2,
// convShortcut}, bn1, fc.
std::unique_ptr<Model> MakeWideResnet(const spec::ModelPlan& plan, int64_t classes,
                                      at::Generator& generator);

}  // namespace skytrain::training
