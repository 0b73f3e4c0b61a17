#include "server/scheduling/availability.h"

#include <algorithm>
#include <utility>

namespace skytrain {

Availability::Availability(const Snapshot& snapshot) : snapshot_(snapshot) {
  std::vector<int> holder(snapshot.devices.size(), -1);
  for (size_t i = 0; i < snapshot.running.size(); ++i) {
    for (const int device : snapshot.running[i].devices) holder[device] = static_cast<int>(i);
  }
  std::vector<DeviceCounts> held(snapshot.running.size());
  DeviceCounts settling = {};
  for (int i = static_cast<int>(snapshot.devices.size()) - 1; i >= 0; --i) {
    const NodeDevice& device = snapshot.devices[i];
    Reservation* const reservation =
        device.reserved_for.empty() ? nullptr : &reserved_[device.reserved_for];
    const bool stopping = holder[i] >= 0 && snapshot.running[holder[i]].stopping;
    if (holder[i] < 0 && device.unavailable.empty()) {
      (reservation != nullptr ? reservation->free : free_)[device.kind].push_back(i);
    } else if (stopping || (holder[i] < 0 && device.settling)) {
      ++(reservation != nullptr ? reservation->coming : coming_)[device.kind];
    }
    if (reservation != nullptr) continue;
    if (holder[i] >= 0) ++held[holder[i]][device.kind];
    if (holder[i] < 0 && device.settling) ++settling[device.kind];
  }
  AddRelease({snapshot.now, settling, -1});
  for (size_t i = 0; i < snapshot.running.size(); ++i) {
    // One that should be over has its end before it.
    AddRelease({std::max(snapshot.now, snapshot.running[i].ends), held[i], static_cast<int>(i)});
  }
}

void Availability::AddRelease(Release release) {
  if (release.time == absl::InfiniteFuture() || release.count == DeviceCounts{}) return;
  const auto later = std::upper_bound(
      releases_.begin(), releases_.end(), release,
      [](const Release& left, const Release& right) { return left.time < right.time; });
  releases_.insert(later, std::move(release));
}

int Availability::Reserved(const WaitingJob& job, DeviceKind kind) const {
  const auto own = reserved_.find(job.uid);
  return own == reserved_.end() ? 0 : static_cast<int>(own->second.free[kind].size());
}

int Availability::Coming(const WaitingJob& job, DeviceKind kind) const {
  const auto own = reserved_.find(job.uid);
  return coming_[kind] + (own == reserved_.end() ? 0 : own->second.coming[kind]);
}

std::vector<int> Availability::Take(const WaitingJob& job, absl::Time ends) {
  std::vector<int> devices;
  const auto own = reserved_.find(job.uid);
  for (const DeviceKind kind : kAllKinds) {
    for (int i = 0; i < job.wanted[kind]; ++i) {
      const bool reserved = own != reserved_.end() && !own->second.free[kind].empty();
      std::vector<int>& from = reserved ? own->second.free[kind] : free_[kind];
      devices.push_back(from.back());
      from.pop_back();
    }
  }
  AddRelease({ends, job.wanted, -1});
  std::sort(devices.begin(), devices.end());
  return devices;
}

void Availability::SetAside(const WaitingJob& job) {
  for (const DeviceKind kind : kAllKinds) {
    int wanted = job.wanted[kind] - Reserved(job, kind);
    if (const auto own = reserved_.find(job.uid); own != reserved_.end()) {
      wanted -= own->second.coming[kind];
    }
    for (; wanted > 0 && !free_[kind].empty(); --wanted) free_[kind].pop_back();
    coming_[kind] -= std::clamp(wanted, 0, coming_[kind]);
  }
}

EarliestStart Availability::EarliestFor(const WaitingJob& job) const {
  DeviceCounts available;
  for (const DeviceKind kind : kAllKinds) available[kind] = Free(kind) + Reserved(job, kind);
  const auto suffices = [&] {
    return available[kCpu] >= job.wanted[kCpu] && available[kGpu] >= job.wanted[kGpu];
  };
  EarliestStart start;
  if (suffices()) start.time = snapshot_.now;
  for (const Release& release : releases_) {
    if (suffices() && release.time > start.time) break;
    const bool before = suffices();
    for (const DeviceKind kind : kAllKinds) available[kind] += release.count[kind];
    if (before || !suffices()) continue;
    start.time = release.time;
    start.blocker = release.running;
  }
  if (!suffices()) return {};
  for (const DeviceKind kind : kAllKinds) start.spare[kind] = available[kind] - job.wanted[kind];
  return start;
}

}  // namespace skytrain
