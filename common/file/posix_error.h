#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace skytrain {

// "cannot WHAT PATH: reason" with a code that callers can act on: RESOURCE_EXHAUSTED means a full
// disk or quota and nothing else (too many open files is UNAVAILABLE).
absl::Status PosixError(int error_number, absl::string_view what, absl::string_view path);

}  // namespace skytrain
