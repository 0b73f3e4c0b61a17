#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"

namespace skytrain {

// Rows of the table `datasets`.
struct DatasetRow {
  std::string owner;
  std::string name;
  int64_t create_time = 0;  // Microseconds since 1970.
  std::string proto;        // skytrain.v1.Dataset.
  bool damaged = false;     // As read: its checksum is wrong.
};

// ALREADY_EXISTS when the owner has one of this name.
absl::Status InsertDataset(Connection& connection, const DatasetRow& row);
// All of this name, oldest first. `owner` nullopt, here and below: of anybody.
absl::StatusOr<std::vector<DatasetRow>> FindDatasets(Connection& connection, absl::string_view name,
                                                     const std::optional<std::string>& owner);
// False: there is none.
absl::StatusOr<bool> DeleteDataset(Connection& connection, absl::string_view owner,
                                   absl::string_view name);

// The place of a row in the list by name.
struct DatasetPosition {
  std::string name;
  std::string owner;
};
// By name, after `after` (both texts empty: from the start).
absl::StatusOr<std::vector<DatasetRow>> ListDatasets(Connection& connection,
                                                     const DatasetPosition& after, int limit,
                                                     const std::optional<std::string>& owner);
absl::StatusOr<int64_t> CountDatasets(Connection& connection, absl::string_view owner);
// All names, for suggestions; at most 1000.
absl::StatusOr<std::vector<std::string>> DatasetNames(Connection& connection,
                                                      const std::optional<std::string>& owner);

}  // namespace skytrain
