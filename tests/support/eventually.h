#pragma once

#include <functional>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace skytrain {

// True as soon as `done` is; false when it is not within twenty seconds.
inline bool Eventually(const std::function<bool()>& done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (absl::Now() < deadline) {
    if (done()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

}  // namespace skytrain
