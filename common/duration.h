#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain {

// A duration as people write it in configurations and flags: "90s", "30m", "2h", "30d", and sums of
// these ("1d12h"). Not negative. INVALID_ARGUMENT saying what is expected.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

}  // namespace skytrain
