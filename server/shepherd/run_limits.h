#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "common/clock.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain {

// When a run has gone on for too long: limits.time, limits.stall and limits.grace, by the monotonic
// clock from the moment this is made. A limit that is not set does not end anything, but for grace,
// which is then 60 s. Not thread-safe.
class RunLimits {
 public:
  RunLimits(const v1::Limits& limits, Clock& clock);

  // The ranks' spools hold this many bytes together. Growth is what a stall is measured from.
  void Observe(uint64_t spool_bytes);
  // Why the run must be asked to stop now; nullopt: go on.
  std::optional<internal::v1::Control::Cause> Exceeded() const;

  // The ranks were asked to stop; they have `limits.grace`, or `at_most` where that is less.
  void BeginGrace(absl::Duration at_most = absl::InfiniteDuration());
  bool GraceOver() const;
  absl::Duration grace() const { return grace_; }

  // Until one of these may change without anything else happening; infinite: never.
  absl::Duration UntilNextDeadline() const;

 private:
  Clock& clock_;
  const absl::Duration time_;   // Infinite: no limit.
  const absl::Duration stall_;  // Infinite: no limit.
  absl::Duration grace_;
  const absl::Duration start_;
  absl::Duration last_growth_;
  uint64_t spool_bytes_ = 0;
  std::optional<absl::Duration> kill_at_;
};

}  // namespace skytrain
