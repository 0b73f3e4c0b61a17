#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/errors.h"

namespace skytrain {

// INVALID_ARGUMENT (BAD_CONFIG).
inline absl::Status BadConfig(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_CONFIG", message);
}

}  // namespace skytrain
