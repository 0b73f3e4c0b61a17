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

// Rows of the table `models`.
struct ModelRow {
  std::string model;
  int version = 0;
  std::string job_uid;
  std::string owner;
  int64_t create_time = 0;  // Microseconds since 1970.
  std::string proto;
  bool damaged = false;  // As read: its checksum is wrong.        // skytrain.v1.Model
};

// ALREADY_EXISTS when the version is taken or the job has published before.
absl::Status InsertModel(Connection& connection, const ModelRow& row);
// version 0: the newest. `owner` nullopt: of anybody.
absl::StatusOr<std::optional<ModelRow>> FindModel(Connection& connection, absl::string_view model,
                                                  int version,
                                                  const std::optional<std::string>& owner);
absl::StatusOr<std::optional<ModelRow>> FindModelOfJob(Connection& connection,
                                                       absl::string_view job_uid);

// The place of a row in the list "newest first".
struct ModelPosition {
  int64_t create_time = 0;
  std::string model;
  int version = 0;
};
// Newest first, after `after` (nullopt: from the start).
absl::StatusOr<std::vector<ModelRow>> ListModels(Connection& connection,
                                                 const std::optional<ModelPosition>& after,
                                                 int limit,
                                                 const std::optional<std::string>& owner);
// All names, for suggestions; at most 1000.
absl::StatusOr<std::vector<std::string>> ModelNames(Connection& connection,
                                                    const std::optional<std::string>& owner);

}  // namespace skytrain
