#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/spec/plan.h"

namespace skytrain::training {

// Which tensor of a published file is which of a network. Names are those of Model::State, which
// are torchvision's, or, where a family has other usual names (timm's; those of ConvNeXt's
// authors), these. A first part that all names share and the network does not know ("module.",
// "model.", "encoder.") is taken off.

struct TensorShape {
  std::string name;
  std::vector<int64_t> shape;
};

// A tensor of the network.
struct WantedTensor {
  std::string name;
  std::vector<int64_t> shape;
  bool any_rows = false;  // The first side may be any: the last layer's outputs.
  bool optional = false;  // A counter of batches, which old files lack.
};

// For each of `wanted` its place in `found`; -1: the file lacks it, and may. Shapes may differ in
// sides of 1 at their end: timm has a layer scale as [C] and linear layers as [out, in, 1, 1].
// INVALID_ARGUMENT (INVALID_MODEL), a violation of "blob" for each of the first tensors that are
// missing, belong to no layer or have another shape, with what may be meant.
absl::StatusOr<std::vector<int>> MatchTensors(const spec::ModelPlan& model,
                                              absl::Span<const WantedTensor> wanted,
                                              absl::Span<const TensorShape> found);

// The network's name for the tensor `name` of timm or of a family's authors; `name` where it is
// none of these.
std::string UsualName(spec::ModelPlan::Family family, const std::string& name);

}  // namespace skytrain::training
