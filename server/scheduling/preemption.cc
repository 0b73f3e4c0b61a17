#include "server/scheduling/preemption.h"

#include <algorithm>
#include <tuple>

namespace skytrain {
namespace {

DeviceCounts HeldBy(const Snapshot& snapshot, const RunningJob& job) {
  DeviceCounts held = {};
  for (const int index : job.devices) {
    const NodeDevice& device = snapshot.devices[index];
    // What is quarantined or set aside for another job would not come to this one.
    if (device.unavailable.empty() && device.reserved_for.empty()) ++held[device.kind];
  }
  return held;
}

bool Covers(const DeviceCounts& available, const DeviceCounts& wanted) {
  return available[kCpu] >= wanted[kCpu] && available[kGpu] >= wanted[kGpu];
}

DeviceCounts Less(DeviceCounts counts, const DeviceCounts& other) {
  for (const DeviceKind kind : kAllKinds) counts[kind] -= other[kind];
  return counts;
}

}  // namespace

std::optional<std::vector<int>> ChooseVictims(const Snapshot& snapshot, int priority,
                                              const DeviceCounts& missing,
                                              const std::vector<bool>& taken) {
  std::vector<int> candidates;
  for (size_t i = 0; i < snapshot.running.size(); ++i) {
    const RunningJob& job = snapshot.running[i];
    const DeviceCounts held = HeldBy(snapshot, job);
    const bool helps =
        (missing[kCpu] > 0 && held[kCpu] > 0) || (missing[kGpu] > 0 && held[kGpu] > 0);
    if (job.preemptible && !job.stopping && !taken[i] && job.priority < priority && helps) {
      candidates.push_back(static_cast<int>(i));
    }
  }
  std::sort(candidates.begin(), candidates.end(), [&](int left, int right) {
    const RunningJob& a = snapshot.running[left];
    const RunningJob& b = snapshot.running[right];
    return std::tie(a.priority, b.started, b.uid) < std::tie(b.priority, a.started, a.uid);
  });
  std::vector<int> victims;
  DeviceCounts gained = {};
  for (const int candidate : candidates) {
    if (Covers(gained, missing)) break;
    victims.push_back(candidate);
    for (const DeviceKind kind : kAllKinds) {
      gained[kind] += HeldBy(snapshot, snapshot.running[candidate])[kind];
    }
  }
  if (!Covers(gained, missing)) return std::nullopt;
  // A large one at the end may make small ones before it needless. The most precious are spared
  // first.
  for (size_t i = victims.size(); i-- > 0;) {
    const DeviceCounts rest = Less(gained, HeldBy(snapshot, snapshot.running[victims[i]]));
    if (!Covers(rest, missing)) continue;
    gained = rest;
    victims.erase(victims.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return victims;
}

}  // namespace skytrain
