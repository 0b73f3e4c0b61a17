#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// What can happen to a job.
enum class JobEventType {
  kCreated,    // Accepted and stored.
  kAssigned,   // Got devices; an attempt is about to be launched.
  kStarted,    // A rank is at work.
  kCancel,     // A user wants it to end.
  kCompleted,  // The attempt did all its work.
  kFailed,     // The attempt ended, and another would end the same way.
  kRetry,      // The attempt ended, and another may do better.
  kStopped,    // The attempt ended because it was asked to.
};

//   (none) ─created→ QUEUED ─assigned→ STARTING ─started→ RUNNING ─completed→ SUCCEEDED
//                      ↑  └cancel→ CANCELLED  │               │  └failed→ FAILED
//                      └────────retry─────────┴───────────────┤
//                                             └───cancel──────┴→ STOPPING ─stopped, failed→
//                                             CANCELLED
// A completed attempt is a success also when the wish to cancel came too late. FAILED_PRECONDITION
// when there is no such edge. The same state: nothing changes, and no event is due. Pure.
absl::StatusOr<v1::JobState> NextState(v1::JobState from, JobEventType event);

bool IsTerminal(v1::JobState state);
// Has an attempt that may have processes.
bool IsActive(v1::JobState state);

// Sets of states as bits (1 << state), for the store.
uint64_t ActiveStates();
uint64_t LiveStates();  // Not terminal.

}  // namespace skytrain
