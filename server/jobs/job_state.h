#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/job_states.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// What can happen to a job.
enum class JobEventType {
  kCreated,   // Accepted and stored.
  kAssigned,  // Got devices; an attempt is about to be launched.
  kStarted,   // A rank is at work.
  // Wishes.
  kCancel,   // A user wants it to end.
  kSuspend,  // A user wants it set aside.
  kResume,   // A user wants it to go on.
  kPreempt,  // A job of higher priority needs its devices.
  // Ends of an attempt.
  kCompleted,  // It did all its work.
  kFailed,     // Another would end the same way.
  kRetry,      // Another may do better.
  kStopped,    // For good, because it was asked to.
  kSuspended,  // Because the job is to be set aside.
  kPreempted,  // Because the job makes way for another.
};

//   (none) ─created→ QUEUED ─assigned→ STARTING ─started→ RUNNING ─completed→ SUCCEEDED
//                      ↑  └cancel→ CANCELLED  │               │  └failed→ FAILED
//                      └────────retry─────────┴───────────────┤
//                      ↑                      └─cancel, suspend, preempt─┴→ STOPPING
//                      ├──────────preempted───────────────────────────────────┤
//                      └─resume─ SUSPENDED ←──suspended───────────────────────┤
//                       (from QUEUED: suspend)       CANCELLED ←──stopped─────┘
// A completed attempt is a success also when a wish to stop came too late, and one that failed for
// good while it was to be set aside is a failure. SUSPENDED ─cancel→ CANCELLED.
// FAILED_PRECONDITION when there is no such edge. The same state: no edge is walked. Pure.
absl::StatusOr<v1::JobState> NextState(v1::JobState from, JobEventType event);

// Why a job that came to `to` by `event` is stopping or suspended, when it was so for `before`:
// a cancel overrides a suspend, and that a preemption. FAILED_PRECONDITION for a wish that is
// weaker than the one before it. Pure.
absl::StatusOr<v1::StopCause> NextStopCause(v1::StopCause before, v1::JobState to,
                                            JobEventType event);

// Has an attempt that may have processes.
bool IsActive(v1::JobState state);

// Sets of states as bits (1 << state), for the store.
uint64_t ActiveStates();
uint64_t LiveStates();  // Not terminal.

}  // namespace skytrain
