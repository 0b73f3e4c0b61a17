#pragma once

#include "absl/strings/string_view.h"

namespace skytrain {

// Well-formed, shortest forms only, no surrogates: what protobuf takes for a string.
bool IsValidUtf8(absl::string_view text);

}  // namespace skytrain
