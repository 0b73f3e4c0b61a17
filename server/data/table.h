#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace skytrain::data {

// A CSV of numbers with a column that names each row's class.
struct FeatureTable {
  std::vector<std::string> columns;  // Features, in file order.
  std::string target;
  std::vector<float> features;       // [rows, columns]
  std::vector<int32_t> labels;       // [rows], into classes.
  std::vector<std::string> classes;  // Sorted by name, numbers by value.
  std::vector<std::string> ids;      // Row numbers, from 1.
};

// `target` empty: the only column that holds text. DATA_INVALID naming file, line and column of
// what is no finite number, and for an empty cell.
absl::StatusOr<FeatureTable> LoadFeatureTable(const std::string& path, const std::string& target);

}  // namespace skytrain::data
