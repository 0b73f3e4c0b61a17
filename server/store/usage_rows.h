#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/connection.h"

namespace skytrain {

// Rows of `owner_usage`.
struct UsageRow {
  std::string owner;
  int64_t seconds = 0;
  int64_t time = 0;  // Seconds since 1970.
};

absl::StatusOr<std::vector<UsageRow>> ListUsage(Connection& connection);
// Inserts or replaces.
absl::Status PutUsage(Connection& connection, const UsageRow& row);

}  // namespace skytrain
