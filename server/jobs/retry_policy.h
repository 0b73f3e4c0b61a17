#pragma once

#include <optional>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

struct RetryRules {
  int max_attempts = 3;                     // The first one included.
  absl::Duration pause = absl::Seconds(2);  // Before the second attempt, after a crash.
};

// Whether another attempt may end better than one that ended so.
bool MayRetry(v1::AttemptEnd end);

// How long to wait before the next attempt; nullopt: there is none. `tries`: how the attempts so
// far ended, oldest first, the one that just ended last; without those that were asked to stop.
//
// The pause doubles with each try, up to ten minutes (or as long as the first one, where that is
// longer). It is none where the cause is gone by itself (a restarted node, a daemon that was
// stopped in between, a damaged checkpoint that the next attempt does not use), and longer where
// somebody has to do something first (a full disk). A stall is tried again once. Pure.
std::optional<absl::Duration> PauseBeforeRetry(absl::Span<const v1::AttemptEnd> tries,
                                               const RetryRules& rules);

}  // namespace skytrain
