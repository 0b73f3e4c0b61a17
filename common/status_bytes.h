#pragma once

#include <string>

#include "absl/status/status.h"

namespace skytrain {

// How one process tells another what went wrong: a google.rpc.Status with the payloads (ErrorInfo,
// BadRequest) of `status`, serialized.
std::string StatusToBytes(const absl::Status& status);

// The status that StatusToBytes wrote. INTERNAL for other bytes, and for those of a status that is
// no error.
absl::Status StatusFromBytes(const std::string& bytes);

}  // namespace skytrain
