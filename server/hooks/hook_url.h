#pragma once

#include <string>

#include "absl/status/status.h"

namespace skytrain {

// Whether events may be posted to `url`: https anywhere; http to localhost, 127.0.0.0/8 and [::1]
// alone, where nothing crosses a network and a relay of the site's own may listen. Names of jobs
// and owners would else be readable on the way. No user or password in it, since logs name the URL.
// INVALID_ARGUMENT.
absl::Status CheckHookUrl(const std::string& url);

}  // namespace skytrain
