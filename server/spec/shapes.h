#pragma once

#include <cstdint>

#include "server/spec/plan.h"

namespace skytrain::spec {

struct Shapes {
  int64_t parameters = 0;   // Trainable numbers.
  int64_t activations = 0;  // Numbers kept for the backward pass, of one sample.
  // Floating point operations of the convolutions and matrix products of one sample's forward pass,
  // a multiplication and an addition counted as two.
  double flops = 0;
};

// Of `model` with `classes` outputs on `inputs` features (tables) or, where `size` > 0, on
// 3-channel images of `size`.
Shapes ModelShapes(const ModelPlan& model, int classes, int inputs, int size);

}  // namespace skytrain::spec
