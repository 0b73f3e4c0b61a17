#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/scheduling/availability.h"
#include "server/scheduling/forecast.h"
#include "server/scheduling/preemption.h"
#include "server/scheduling/serving_order.h"

namespace skytrain {
namespace {

// For the first blocked job of a kind of device.
struct Reservation {
  int waiting = 0;   // That job.
  absl::Time start;  // By the time limits.
  int spare = 0;     // Devices that it will not need then.
};

class Pass {
 public:
  explicit Pass(const Snapshot& snapshot)
      : snapshot_(snapshot),
        node_(DevicesOf(snapshot)),
        availability_(snapshot),
        preempted_(snapshot.running.size()) {
    for (const RunningJob& job : snapshot.running) ++owned_[job.owner];
  }

  Decisions Run() && {
    for (const int waiting : ServingOrder(snapshot_)) Consider(waiting);
    Forecast(snapshot_, availability_, &decisions_);
    return std::move(decisions_);
  }

 private:
  void Consider(int waiting);
  // Whether the job stands aside, so that it holds up nobody.
  bool StandsAside(int waiting);
  bool FitsNow(const WaitingJob& job) const;
  // The reservation that keeps the job from starting now though its devices are free; null: none.
  const Reservation* HeldUpBy(const WaitingJob& job) const;
  const Reservation* ReservationBefore(const WaitingJob& job) const;
  void Start(int waiting);
  // True when jobs make way, or did already, so that all that this one wants is coming.
  bool Preempt(int waiting);
  // Makes the job the first blocked one of those of its kinds of device that have none yet.
  EarliestStart Reserve(const WaitingJob& job, int waiting);
  Wait& AddWait(int waiting, Wait::Why why, int blocker);

  absl::Time EndOf(const WaitingJob& job) const { return snapshot_.now + job.time_limit; }
  // What the job would take of the devices that anybody may have.
  int FromCommon(const WaitingJob& job, DeviceKind kind) const {
    return std::max(0, job.wanted[kind] - availability_.Reserved(job, kind));
  }

  const Snapshot& snapshot_;
  const DeviceCounts node_;
  Availability availability_;
  std::optional<Reservation> reservations_[kDeviceKinds];
  std::vector<bool> preempted_;
  absl::flat_hash_map<absl::string_view, int> owned_;  // Running jobs of each owner.
  Decisions decisions_;
};

void Pass::Consider(int waiting) {
  const WaitingJob& job = *snapshot_.waiting[waiting];
  if (StandsAside(waiting)) return;
  if (FitsNow(job) && HeldUpBy(job) == nullptr) return Start(waiting);
  if (const Reservation* before = ReservationBefore(job)) {
    AddWait(waiting, Wait::Why::kTurn, before->waiting);
    Reserve(job, waiting);
    return;
  }
  if (Preempt(waiting)) return;
  AddWait(waiting, Wait::Why::kDevices, Reserve(job, waiting).blocker);
}

bool Pass::StandsAside(int waiting) {
  const WaitingJob& job = *snapshot_.waiting[waiting];
  for (const DeviceKind kind : kAllKinds) {
    if (job.wanted[kind] <= node_[kind]) continue;
    AddWait(waiting, Wait::Why::kTooLarge, -1);
    return true;
  }
  if (job.not_before > snapshot_.now) {
    AddWait(waiting, Wait::Why::kPause, -1).expected_start = job.not_before;
    return true;
  }
  const int limit = snapshot_.running_jobs_per_owner;
  if (limit > 0 && owned_[job.owner] >= limit) {
    AddWait(waiting, Wait::Why::kOwnerLimit, -1);
    return true;
  }
  return false;
}

bool Pass::FitsNow(const WaitingJob& job) const {
  for (const DeviceKind kind : kAllKinds) {
    if (FromCommon(job, kind) > availability_.Free(kind)) return false;
  }
  return true;
}

const Reservation* Pass::HeldUpBy(const WaitingJob& job) const {
  for (const DeviceKind kind : kAllKinds) {
    const auto& reservation = reservations_[kind];
    const int wanted = FromCommon(job, kind);
    if (wanted == 0 || !reservation.has_value()) continue;
    if (job.time_limit == absl::InfiniteDuration()) return &*reservation;
    if (EndOf(job) > reservation->start && wanted > reservation->spare) return &*reservation;
  }
  return nullptr;
}

const Reservation* Pass::ReservationBefore(const WaitingJob& job) const {
  for (const DeviceKind kind : kAllKinds) {
    if (job.wanted[kind] > 0 && reservations_[kind].has_value()) return &*reservations_[kind];
  }
  return nullptr;
}

void Pass::Start(int waiting) {
  const WaitingJob& job = *snapshot_.waiting[waiting];
  for (const DeviceKind kind : kAllKinds) {
    if (auto& held = reservations_[kind]; held.has_value() && EndOf(job) > held->start) {
      held->spare -= FromCommon(job, kind);
    }
  }
  decisions_.assignments.push_back({waiting, availability_.Take(job, EndOf(job))});
  ++owned_[job.owner];
}

bool Pass::Preempt(int waiting) {
  const WaitingJob& job = *snapshot_.waiting[waiting];
  DeviceCounts missing = {};
  bool promised = false;
  for (const DeviceKind kind : kAllKinds) {
    missing[kind] = std::max(
        0, FromCommon(job, kind) - availability_.Free(kind) - availability_.Coming(job, kind));
  }
  for (const NodeDevice& device : snapshot_.devices) promised |= device.reserved_for == job.uid;
  std::vector<int> victims;
  if (missing != DeviceCounts{}) {
    auto chosen = ChooseVictims(snapshot_, job.priority, missing, preempted_);
    if (!chosen.has_value()) return false;
    victims = *std::move(chosen);
  } else if (!promised) {
    return false;  // It waits for jobs that end for reasons of their own.
  }
  Wait& wait = AddWait(waiting, Wait::Why::kPreempting, victims.empty() ? -1 : victims.front());
  wait.expected_start = snapshot_.now;
  for (const int victim : victims) {
    preempted_[victim] = true;
    decisions_.preemptions.push_back({victim, waiting});
    const absl::Time gone = snapshot_.now + snapshot_.running[victim].grace;
    wait.expected_start = std::max(wait.expected_start, gone);
  }
  for (size_t i = 0; i < snapshot_.running.size(); ++i) {
    const RunningJob& running = snapshot_.running[i];
    for (const int device : running.devices) {
      if (!running.stopping || snapshot_.devices[device].reserved_for != job.uid) continue;
      wait.blocker = static_cast<int>(i);
      if (running.ends < absl::InfiniteFuture()) {
        wait.expected_start = std::max(wait.expected_start, running.ends);
      }
    }
  }
  availability_.SetAside(job);
  ++owned_[job.owner];
  return true;
}

EarliestStart Pass::Reserve(const WaitingJob& job, int waiting) {
  const auto unreserved = [&](DeviceKind kind) {
    return job.wanted[kind] > 0 && !reservations_[kind].has_value();
  };
  if (!unreserved(kCpu) && !unreserved(kGpu)) return {};
  const EarliestStart earliest = availability_.EarliestFor(job);
  for (const DeviceKind kind : kAllKinds) {
    if (unreserved(kind)) reservations_[kind] = {waiting, earliest.time, earliest.spare[kind]};
  }
  return earliest;
}

Wait& Pass::AddWait(int waiting, Wait::Why why, int blocker) {
  Wait& wait = decisions_.waits.emplace_back();
  wait.waiting = waiting;
  wait.why = why;
  wait.blocker = blocker;
  for (const DeviceKind kind : kAllKinds) {
    const WaitingJob& job = *snapshot_.waiting[waiting];
    wait.free[kind] = availability_.Free(kind) + availability_.Reserved(job, kind);
  }
  return wait;
}

}  // namespace

Decisions Schedule(const Snapshot& snapshot) { return Pass(snapshot).Run(); }

}  // namespace skytrain
