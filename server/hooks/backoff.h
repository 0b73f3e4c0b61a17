#pragma once

#include <optional>

#include "absl/time/time.h"

namespace skytrain {

// How long to wait between the tries of one delivery.
struct HookBackoff {
  absl::Duration first = absl::Seconds(1);
  absl::Duration longest = absl::Minutes(5);
  // What a receiver may ask for at most (Retry-After).
  absl::Duration longest_wish = absl::Hours(1);

  // After `failures` (1, 2, …) in a row: doubles from `first` to `longest`, cut by up to a half
  // as `random` in [0, 1) says, so that what failed together does not come back together. At least
  // what the receiver `asked` for.
  absl::Duration Pause(int failures, double random, std::optional<absl::Duration> asked) const;
};

}  // namespace skytrain
