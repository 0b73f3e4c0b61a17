#pragma once

#include "ATen/core/Tensor.h"

namespace skytrain::training {

// A square convolution without dilation or groups.
struct ConvGeometry {
  int64_t kernel = 1, stride = 1, padding = 0;
};

// The gradient of the weights of a bfloat16 convolution on a CPU, summed in float32.
//   input [N, C, H, W], grad_output [N, K, OH, OW]: bfloat16, channels_last
//   result [K, C, kernel, kernel]: float32, channels_last
// oneDNN's own kernel runs at less than half of the rate of its forward pass. Here each output has
// one owner, who sums over the batch in a fixed order: the bits depend neither on the number of
// threads nor on who is faster.
//
// The sum over the batch is taken over pairs of images, the two terms of one vdpbf16ps. So any
// stride and size works without a copy for each tap, and no tap multiplies padding.
// Needs HasBf16Arithmetic().
at::Tensor ConvWeightGradient(const at::Tensor& input, const at::Tensor& grad_output,
                              const ConvGeometry& geometry);

}  // namespace skytrain::training
