#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"

namespace skytrain {

// Rows of `device_speeds`: floating point operations per second of one device of `kind` ("cpu",
// "gpu"), as jobs of this node had them.
absl::StatusOr<std::optional<double>> FindSpeed(Connection& connection, absl::string_view kind);
// Inserts or replaces.
absl::Status PutSpeed(Connection& connection, absl::string_view kind, double flops);

}  // namespace skytrain
