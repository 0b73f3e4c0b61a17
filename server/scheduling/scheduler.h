#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// Indices are those of the snapshot's vectors.

struct Assignment {
  int waiting = 0;
  std::vector<int> devices;
};

// The running job is to write a checkpoint and make way for the waiting one.
struct Preemption {
  int running = 0;
  int waiting = 0;
};

// Why a job waits, and for how long by all that is known.
struct Wait {
  enum class Why {
    kDevices,     // Fewer of its devices are free than it wants.
    kTurn,        // A job before it waits for the same devices.
    kPreempting,  // A job of lower priority makes way for it.
    kPause,       // After a failed attempt.
    kOwnerLimit,  // Its owner runs as many jobs as one may.
    kTooLarge,    // It wants more than the node has.
  };
  int waiting = 0;
  Why why = Why::kDevices;
  DeviceCounts free = {};  // That it might have had.
  // The job whose end (or, for kTurn, whose start) it waits for; -1: none. An index into
  // `running`, for kTurn into `waiting`.
  int blocker = -1;
  absl::Time expected_start = absl::InfiniteFuture();  // Of the job; InfiniteFuture: unknown.
};

struct Decisions {
  std::vector<Assignment> assignments;
  std::vector<Preemption> preemptions;
  std::vector<Wait> waits;  // Of all that are not assigned, in the order of service.
};

// Who starts now, on which devices, who makes way, and why the others wait. Jobs are looked at in
// the order of serving_order.h:
//   1. A job starts when its devices are free, unless that could delay the first blocked job of a
//      kind of device: that one has a reservation, from the time at which it could start by the
//      time limits of those that run. A later job passes it only when by its own time limit it
//      ends before, or when the devices left over then suffice for it; one without a time limit
//      never passes. So large jobs are not starved, and CPU jobs do not wait for GPUs.
//   2. A blocked job of higher priority makes preemptible ones give way: those of the lowest
//      priority first, of these the youngest, no more than it needs, none when all together would
//      not suffice, and none for what comes free anyway because its job is stopping. What they
//      give up is set aside for it (NodeDevice::reserved_for), so nobody preempts in vain.
//   3. An owner has at most running_jobs_per_owner jobs.
// Pure.
Decisions Schedule(const Snapshot& snapshot);

}  // namespace skytrain
