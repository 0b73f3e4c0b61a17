#pragma once

#include "absl/time/time.h"

namespace skytrain {

// The time, for everything that must be tested without waiting. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Calendar time; may jump.
  virtual absl::Time Now() = 0;
  // Time since some fixed moment; never goes back (CLOCK_MONOTONIC). For every limit.
  virtual absl::Duration Monotonic() = 0;

  static Clock& Real();
};

// A clock that a test sets.
class FakeClock : public Clock {
 public:
  explicit FakeClock(absl::Time start) : now_(start) {}
  absl::Time Now() override { return now_; }
  absl::Duration Monotonic() override { return now_ - absl::UnixEpoch(); }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Time now_;
};

}  // namespace skytrain
