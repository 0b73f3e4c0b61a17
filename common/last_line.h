#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skytrain {

// The last line of `text` that is not blank, without the space around it: what a program that
// failed said last. Empty when there is none.
std::string LastLine(absl::string_view text);

}  // namespace skytrain
