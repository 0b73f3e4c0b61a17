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

// Rows of `hook_deliveries`: what hooks still have to be told.
struct HookRow {
  int64_t id = 0;  // Given by the store; grows in the order of commits and is never used again.
  std::string hook;
  std::string job_uid;
  std::string job_id;
  int64_t seq = 0;          // Of the event of the state change.
  int64_t create_time = 0;  // Seconds since 1970.
  std::string payload;      // As it is sent.
};

// Of `row` all but the id.
absl::Status InsertHookRow(Connection& connection, const HookRow& row);

// What a list tells of a row.
struct HookRowHead {
  int64_t id = 0;
  std::string hook;
  std::string job_uid;
  int64_t bytes = 0;  // Of the payload.
};
// Up to `limit` rows with an id above `after`, by id.
absl::StatusOr<std::vector<HookRowHead>> ListHookRows(Connection& connection, int64_t after,
                                                      int64_t limit);
// DATA_LOSS (STORE_CORRUPT) when its checksum is wrong.
absl::StatusOr<std::optional<HookRow>> FindHookRow(Connection& connection, int64_t id);
absl::Status DeleteHookRow(Connection& connection, int64_t id);

// The hooks that have rows.
absl::StatusOr<std::vector<std::string>> HooksWithRows(Connection& connection);
// How many there were.
absl::StatusOr<int64_t> DeleteRowsOfHook(Connection& connection, absl::string_view hook);

}  // namespace skytrain
