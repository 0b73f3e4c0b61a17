#include "server/shepherd/run_limits.h"

#include <algorithm>

namespace skytrain {
namespace {

using internal::v1::Control;

constexpr absl::Duration kDefaultGrace = absl::Seconds(60);

absl::Duration OrIfUnset(const google::protobuf::Duration& duration, absl::Duration unset) {
  const absl::Duration value =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  return value > absl::ZeroDuration() ? value : unset;
}

}  // namespace

RunLimits::RunLimits(const v1::Limits& limits, Clock& clock)
    : clock_(clock),
      time_(OrIfUnset(limits.time(), absl::InfiniteDuration())),
      stall_(OrIfUnset(limits.stall(), absl::InfiniteDuration())),
      grace_(OrIfUnset(limits.grace(), kDefaultGrace)),
      start_(clock.Monotonic()),
      last_growth_(start_) {}

void RunLimits::Observe(uint64_t spool_bytes) {
  if (spool_bytes == spool_bytes_) return;
  spool_bytes_ = spool_bytes;
  last_growth_ = clock_.Monotonic();
}

std::optional<Control::Cause> RunLimits::Exceeded() const {
  const absl::Duration now = clock_.Monotonic();
  if (now - start_ >= time_) return Control::CAUSE_TIME_LIMIT;
  if (now - last_growth_ >= stall_) return Control::CAUSE_STALLED;
  return std::nullopt;
}

void RunLimits::BeginGrace(absl::Duration at_most) {
  grace_ = std::min(grace_, at_most);
  kill_at_ = clock_.Monotonic() + grace_;
}

bool RunLimits::GraceOver() const {
  return kill_at_.has_value() && clock_.Monotonic() >= *kill_at_;
}

absl::Duration RunLimits::UntilNextDeadline() const {
  const absl::Duration next =
      kill_at_.has_value() ? *kill_at_ : std::min(start_ + time_, last_growth_ + stall_);
  return std::max(next - clock_.Monotonic(), absl::ZeroDuration());
}

}  // namespace skytrain
