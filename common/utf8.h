#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace skytrain {

// Well-formed, shortest forms only, no surrogates: what protobuf takes for a string.
bool IsValidUtf8(absl::string_view text);

// At most the first `bytes` of it, fewer where those would end within a character.
absl::string_view Utf8Prefix(absl::string_view text, size_t bytes);

}  // namespace skytrain
