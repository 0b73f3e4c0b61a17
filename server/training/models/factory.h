#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/spec/plan.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// The network of `plan` with its starting weights, a pure function of `seed`, on the CPU; call
// Prepare next. `inputs`: features of a table, or 3 * size * size. INVALID_ARGUMENT.
absl::StatusOr<std::unique_ptr<Model>> MakeModel(const spec::ModelPlan& plan, int64_t classes,
                                                 int64_t inputs, uint64_t seed);

}  // namespace skytrain::training
