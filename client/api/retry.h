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
  void Reset() { next_ = first_; }

 private:
  absl::Duration first_;
  absl::Duration longest_;
  absl::Duration next_;
  std::mt19937 random_;
};

constexpr int kTries = 5;

// Calls up to kTries times while the answer is UNAVAILABLE: the server did not take the call, or it
// is one that may be repeated (CreateJob carries a request id). Ends early on an interruption.
absl::Status Retry(Interrupt& interrupt, Backoff backoff,
                   const std::function<absl::Status()>& call);

}  // namespace skytrain::client
