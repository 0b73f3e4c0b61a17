#include "client/api/retry.h"

#include <algorithm>

namespace skytrain::client {

absl::Duration Backoff::Next() {
  const absl::Duration whole = next_;
  next_ = std::min(next_ * 2, longest_);
  return whole * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
}

absl::Status Retry(Interrupt& interrupt, Backoff backoff,
                   const std::function<absl::Status()>& call) {
  for (int attempt = 1;; ++attempt) {
    absl::Status status = call();
    if (!absl::IsUnavailable(status) || attempt == kTries) return status;
    if (!interrupt.Sleep(backoff.Next())) return absl::CancelledError("interrupted");
  }
}

}  // namespace skytrain::client
