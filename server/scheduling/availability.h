#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// Devices that come free at a time.
struct Release {
  absl::Time time;
  DeviceCounts count = {};
  int running = -1;  // The job that holds them; -1: one that starts in this pass, or none.
};

// When a job could start, and what would then be left over.
struct EarliestStart {
  absl::Time time = absl::InfiniteFuture();
  DeviceCounts spare = {};  // Free at that time beyond what the job wants.
  int blocker = -1;         // The running job whose end makes it possible.
};

// The node's devices in the course of one pass: which are free, and when others come free. Devices
// that are reserved for a job count for it alone.
class Availability {
 public:
  explicit Availability(const Snapshot& snapshot);

  // Free now: for anybody, and for this job alone.
  int Free(DeviceKind kind) const { return static_cast<int>(free_[kind].size()); }
  int Reserved(const WaitingJob& job, DeviceKind kind) const;
  // Come free soon, because their job is stopping or they are settling: of those that anybody may
  // have, and of those reserved for this job.
  int Coming(const WaitingJob& job, DeviceKind kind) const;

  // Takes them for the job, reserved ones first, then in the order of the snapshot. They must be
  // free.
  std::vector<int> Take(const WaitingJob& job, absl::Time ends);
  // Takes up to what the job wants of what is free, then of what is coming: nobody else gets it in
  // this pass.
  void SetAside(const WaitingJob& job);

  EarliestStart EarliestFor(const WaitingJob& job) const;

  // What comes free, sooner first; never: not in here.
  absl::Span<const Release> releases() const { return releases_; }

 private:
  // Devices that one waiting job has for itself.
  struct Reservation {
    std::vector<int> free[kDeviceKinds];
    DeviceCounts coming = {};
  };

  void AddRelease(Release release);

  const Snapshot& snapshot_;
  std::vector<int> free_[kDeviceKinds];  // Last first, so that taking is cheap.
  DeviceCounts coming_ = {};
  absl::flat_hash_map<std::string, Reservation> reserved_;
  std::vector<Release> releases_;
};

}  // namespace skytrain
