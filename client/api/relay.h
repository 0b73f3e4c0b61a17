#pragma once

#include "absl/status/status.h"

namespace skytrain::client {

// Carries bytes both ways, from `in` to `socket` and from `socket` to `out`, until the socket's
// other end closes or there is nobody left at `out`. The end of `in` is passed on as a half-close.
// Waits while the slower side is full, so it holds 128 KiB at most. The descriptors stay open.
absl::Status Relay(int in, int out, int socket);

}  // namespace skytrain::client
