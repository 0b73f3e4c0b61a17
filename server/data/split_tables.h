#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "server/data/text_table.h"

namespace skytrain::data {

// Reads tables that each say which samples make one split: pairs of the split's name
// (spec::TableSplit, which messages begin with) and the resolved path. Rows with ids that `table`,
// read with the columns `wanted` (empty: all), lacks are added to it. Returns the split of each id
// of theirs. DATA_INVALID for an id in two of the tables or twice in one, and where a row that must
// be added lacks a column.
absl::StatusOr<absl::flat_hash_map<std::string, std::string>> AddSplitTables(
    const std::vector<std::pair<std::string, std::string>>& tables, const std::string& id,
    const std::set<std::string>& wanted, TextTable& table);

}  // namespace skytrain::data
