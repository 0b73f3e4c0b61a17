#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace skytrain {

// When the next pass over the queue is due: when one is asked for, but after a pause of four times
// the length of the last one, so that passes take a fifth of the time at most, however many the
// changes. One thread makes the passes; any thread may ask.
class PassPacer {
 public:
  explicit PassPacer(Clock& clock);

  // Something has changed.
  void Request() ABSL_LOCKS_EXCLUDED(mu_);
  // Something will have changed at `time`, whatever happens until then.
  void RequestBy(absl::Time time) ABSL_LOCKS_EXCLUDED(mu_);
  // Returns when a pass is due, which answers all that was asked for so far; the first one is due
  // at once. False: Stop was called.
  bool BeginPass() ABSL_LOCKS_EXCLUDED(mu_);
  void EndPass() ABSL_LOCKS_EXCLUDED(mu_);
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Clock& clock_;
  Mutex mu_;
  CondVar changed_;
  bool requested_ ABSL_GUARDED_BY(mu_) = true;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time due_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  // Monotonic.
  absl::Duration begin_ ABSL_GUARDED_BY(mu_);
  absl::Duration not_before_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
