#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/spec/plan.h"

namespace skytrain::data {

// A CSV of numbers, some of its columns being what is asked: one that names each row's class, or
// some with numbers.
struct FeatureTable {
  std::vector<std::string> columns;  // Features, in file order.
  std::string target;                // The column with the class; empty: targets, or no labels.
  std::vector<float> features;       // [rows, columns]
  // Of the rows: as Dataset::positions, or empty. The columns that hold them are features, too.
  std::vector<double> positions;
  std::vector<int32_t> labels;       // [rows], into classes; 0 where there are none.
  std::vector<std::string> classes;  // Sorted by name, numbers by value.
  std::vector<float> targets;        // [rows, TargetColumns::values]
  std::vector<int32_t> groups;       // Of the rows, from 0; empty: nobody asked for any.
  std::vector<std::string> ids;      // Row numbers, from 1.
};

// A class column that is not named is the only column that holds text. DATA_INVALID naming file,
// line and column of what is no finite number, and for an empty cell.
// `group`: as data.splits.group (see GroupNumbers); a column of that name is neither; empty: none.
// `features`: the columns to read as such, in this order, whatever else there is; empty: all that
// are neither.
absl::StatusOr<FeatureTable> LoadFeatureTable(const std::string& path,
                                              const spec::TargetColumns& targets,
                                              const std::string& group = "",
                                              const std::vector<std::string>& features = {});

// Columns and ids alone; no cell is read as a number.
absl::StatusOr<FeatureTable> DescribeTable(const std::string& path);

}  // namespace skytrain::data
