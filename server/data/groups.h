#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/sample_index.h"

namespace skytrain::data {

// Which samples belong together, by the column `group` of a table: a number for each of `ids`, the
// same where the cells are, or of one of `split_tables`. `id`: the column with the ids; empty:
// `ids` are row numbers from 1. DATA_INVALID naming the row of an empty cell, and for an id without
// a row.
absl::StatusOr<std::vector<int32_t>> GroupsOf(const std::string& table_path,
                                              const SplitTablePaths& split_tables,
                                              const std::string& id, const std::string& group,
                                              const std::vector<std::string>& ids);

}  // namespace skytrain::data
