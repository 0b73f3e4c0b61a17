#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace skytrain::data {

// Runs `work(i)` for i in 0..n-1 on up to `threads` threads (the calling one among them), handing
// numbers out in order. Ends early at the first error, which it returns, and when `work` has set
// `stop`.
absl::Status ParallelFor(size_t n, int threads, std::atomic<bool>& stop,
                         const std::function<absl::Status(size_t)>& work);

}  // namespace skytrain::data
