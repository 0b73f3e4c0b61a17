#include "server/jobs/pass_pacer.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace skytrain {
namespace {

constexpr int kPauseFactor = 4;
// The clock may be set back while we wait.
constexpr absl::Duration kLongestWait = absl::Minutes(1);

}  // namespace

PassPacer::PassPacer(Clock& clock) : clock_(clock) {}

void PassPacer::Request() {
  MutexLock lock(mu_);
  requested_ = true;
  changed_.NotifyOne();
}

void PassPacer::RequestBy(absl::Time time) {
  MutexLock lock(mu_);
  due_ = std::min(due_, time);
  changed_.NotifyOne();
}

bool PassPacer::BeginPass() {
  MutexLock lock(mu_);
  while (!stop_) {
    const absl::Duration pause = not_before_ - clock_.Monotonic();
    const absl::Duration due = due_ - clock_.Now();
    const bool wanted = requested_ || due <= absl::ZeroDuration();
    if (wanted && pause <= absl::ZeroDuration()) break;
    const absl::Duration wait = wanted ? pause : std::max(pause, due);
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(wait, kLongestWait)));
  }
  requested_ = false;
  due_ = absl::InfiniteFuture();
  begin_ = clock_.Monotonic();
  return !stop_;
}

void PassPacer::EndPass() {
  MutexLock lock(mu_);
  const absl::Duration end = clock_.Monotonic();
  not_before_ = end + kPauseFactor * (end - begin_);
}

void PassPacer::Stop() {
  MutexLock lock(mu_);
  stop_ = true;
  changed_.NotifyAll();
}

}  // namespace skytrain
