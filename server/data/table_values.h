#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/text_table.h"
#include "server/spec/plan.h"

namespace skytrain::data {

// The number in a cell. DATA_INVALID naming file, line and column where it is empty or no finite
// number of 32 bits.
absl::StatusOr<float> NumberIn(const TextTable& table, size_t row, size_t column);

// The columns of `targets.values`, in their order. DATA_INVALID with the nearest name, and for one
// that is named twice.
absl::StatusOr<std::vector<size_t>> FindValueColumns(const TextTable& table,
                                                     const spec::TargetColumns& targets);

// The number in a cell of one of those columns; also DATA_INVALID where `targets` does not allow
// it.
absl::StatusOr<float> TargetIn(const TextTable& table, size_t row, size_t column,
                               const spec::TargetColumns& targets);

// A sample's weight in the loss: 0 or greater.
absl::StatusOr<float> WeightIn(const TextTable& table, size_t row, size_t column);

}  // namespace skytrain::data
