#include "client/api/retry.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/time/clock.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kLongestWish = absl::Minutes(1);

// UNAVAILABLE all the same, for the exit code.
constexpr absl::string_view kLastingReasons[] = {
    "NAME_NOT_FOUND", "NOT_TLS", "NOT_A_SERVER", "NOT_A_SOCKET", "NO_SERVER", "SSH_FAILED",
};

}  // namespace

absl::Duration Backoff::Next() {
  const absl::Duration whole = next_;
  next_ = std::min(next_ * 2, longest_);
  return whole * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
}

absl::Duration Backoff::Next(const absl::Status& status) {
  const absl::Duration wish = RetryDelayOf(status).value_or(absl::ZeroDuration());
  return std::max(Next(), std::min(wish, kLongestWish));
}

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) && !absl::c_linear_search(kLastingReasons, ReasonOf(status));
}

absl::Status Retry(Interrupt& interrupt, Backoff backoff, const Patience& patience,
                   const std::function<absl::Status()>& call) {
  const absl::Time until = absl::Now() + patience.length;
  for (int failures = 0;;) {
    absl::Status status = call();
    if (!MayPass(status)) return status;
    const absl::Duration wait = backoff.Next(status);
    if (absl::Now() + wait > until) return status;
    if (++failures == 2 && patience.on_waiting) patience.on_waiting(status);
    if (!interrupt.Sleep(wait)) return absl::CancelledError("interrupted");
  }
}

}  // namespace skytrain::client
