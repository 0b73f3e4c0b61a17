#include "server/scheduling/forecast.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace skytrain {
namespace {

// The devices of one kind, as time goes by.
class Future {
 public:
  void ComesFree(absl::Time time, int count) {
    if (count > 0 && time < absl::InfiniteFuture()) releases_.emplace(time, count);
  }

  // The first time at which `wanted` are free; not before an earlier answer.
  absl::Time When(int wanted) {
    while (free_ < wanted && !releases_.empty()) {
      now_ = std::max(now_, releases_.top().first);
      free_ += releases_.top().second;
      releases_.pop();
    }
    return free_ < wanted ? absl::InfiniteFuture() : now_;
  }

  void Take(int wanted, absl::Time start, absl::Time end) {
    now_ = std::max(now_, start);
    free_ -= wanted;
    ComesFree(end, wanted);
  }

 private:
  using ByTime = std::pair<absl::Time, int>;
  std::priority_queue<ByTime, std::vector<ByTime>, std::greater<ByTime>> releases_;
  int free_ = 0;
  absl::Time now_ = absl::InfinitePast();
};

// What keeps the job from its turn whatever is free, and does not hold up those behind it.
bool StandsAside(Wait::Why why) {
  return why == Wait::Why::kPause || why == Wait::Why::kOwnerLimit || why == Wait::Why::kTooLarge;
}

}  // namespace

void Forecast(const Snapshot& snapshot, const Availability& availability, Decisions* decisions) {
  Future futures[kDeviceKinds];
  for (const DeviceKind kind : kAllKinds) {
    futures[kind].ComesFree(snapshot.now, availability.Free(kind));
    for (const Release& release : availability.releases()) {
      futures[kind].ComesFree(release.time, release.count[kind]);
    }
  }
  for (Wait& wait : decisions->waits) {
    // A job that others make way for has its devices set aside.
    if (StandsAside(wait.why) || wait.why == Wait::Why::kPreempting) continue;
    const WaitingJob& job = *snapshot.waiting[wait.waiting];
    absl::Time start = snapshot.now;
    for (const DeviceKind kind : kAllKinds) {
      if (job.wanted[kind] > 0) start = std::max(start, futures[kind].When(job.wanted[kind]));
    }
    wait.expected_start = start;
    if (start == absl::InfiniteFuture()) continue;
    for (const DeviceKind kind : kAllKinds) {
      if (job.wanted[kind] > 0) futures[kind].Take(job.wanted[kind], start, start + job.time_limit);
    }
  }
}

}  // namespace skytrain
