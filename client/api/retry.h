#pragma once

#include <functional>
#include <random>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/api/interrupt.h"

namespace skytrain::client {

// Waiting times that double from `first` to `longest`, each cut by up to a half at random so that
// clients that lost the same server do not come back together. Not thread-safe.
class Backoff {
 public:
  explicit Backoff(absl::Duration first = absl::Milliseconds(100),
                   absl::Duration longest = absl::Seconds(5),
                   std::mt19937::result_type seed = std::random_device()())
      : first_(first), longest_(longest), next_(first), random_(seed) {}

  absl::Duration Next();
  // Next(), or what the server asked for in `status` (RetryInfo, a minute at most) when that is
  // longer.
  absl::Duration Next(const absl::Status& status);
  void Reset() { next_ = first_; }

 private:
  absl::Duration first_;
  absl::Duration longest_;
  absl::Duration next_;
  std::mt19937 random_;
};

constexpr int kTries = 5;

// The same call may go well in a while: the answer is UNAVAILABLE, and not for a reason that stays,
// as a host that does not exist.
bool MayPass(const absl::Status& status);

struct Patience {
  absl::Duration length = absl::Seconds(10);  // Measured from the first call on.
  // Told once, when the second failure is there and more tries follow.
  std::function<void(const absl::Status&)> on_waiting;
};

// Calls until the answer is another than one that may pass, or the patience is over: the server did
// not take the call, or it is one that may be repeated (CreateJob carries a request id). Ends early
// on an interruption.
absl::Status Retry(Interrupt& interrupt, Backoff backoff, const Patience& patience,
                   const std::function<absl::Status()>& call);

}  // namespace skytrain::client
