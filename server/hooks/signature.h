#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace skytrain {

// HMAC-SHA256 (RFC 2104, FIPS 198-1) of `data` in 64 lower-case hexadecimal digits.
std::string HmacSha256Hex(absl::string_view key, absl::string_view data);

// X-Skytrain-Signature: "sha256=" and the HMAC of "TIMESTAMP.BODY" with `secret`. The time is
// signed too, so that a receiver can refuse what somebody recorded and sends again later.
std::string HookSignature(absl::string_view secret, int64_t timestamp, absl::string_view body);

}  // namespace skytrain
