#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace skytrain {

// A hash of `data` that is the same on every machine and in every version: files keep it. Fast,
// and not for security: whoever wants to, finds two inputs with the same one.
uint64_t Hash64(absl::string_view data);

}  // namespace skytrain
