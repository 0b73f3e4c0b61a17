#include "server/jobs/job_state.h"

#include "absl/strings/str_cat.h"

namespace skytrain {
namespace {

using v1::JobState;
using Event = JobEventType;

struct Edge {
  JobState from;
  Event event;
  JobState to;
};

constexpr Edge kEdges[] = {
    {v1::JOB_STATE_UNSPECIFIED, Event::kCreated, v1::QUEUED},

    {v1::QUEUED, Event::kAssigned, v1::STARTING},
    {v1::QUEUED, Event::kCancel, v1::CANCELLED},
    {v1::QUEUED, Event::kSuspend, v1::SUSPENDED},

    {v1::STARTING, Event::kStarted, v1::RUNNING},
    {v1::STARTING, Event::kCancel, v1::STOPPING},
    {v1::STARTING, Event::kSuspend, v1::STOPPING},
    {v1::STARTING, Event::kPreempt, v1::STOPPING},
    {v1::STARTING, Event::kCompleted, v1::SUCCEEDED},
    {v1::STARTING, Event::kFailed, v1::FAILED},
    {v1::STARTING, Event::kRetry, v1::QUEUED},
    {v1::STARTING, Event::kStopped, v1::CANCELLED},

    {v1::RUNNING, Event::kStarted, v1::RUNNING},
    {v1::RUNNING, Event::kCancel, v1::STOPPING},
    {v1::RUNNING, Event::kSuspend, v1::STOPPING},
    {v1::RUNNING, Event::kPreempt, v1::STOPPING},
    {v1::RUNNING, Event::kCompleted, v1::SUCCEEDED},
    {v1::RUNNING, Event::kFailed, v1::FAILED},
    {v1::RUNNING, Event::kRetry, v1::QUEUED},
    // Somebody wrote control.binpb by hand.
    {v1::RUNNING, Event::kStopped, v1::CANCELLED},

    {v1::STOPPING, Event::kStarted, v1::STOPPING},
    {v1::STOPPING, Event::kCancel, v1::STOPPING},
    {v1::STOPPING, Event::kSuspend, v1::STOPPING},
    {v1::STOPPING, Event::kPreempt, v1::STOPPING},
    {v1::STOPPING, Event::kCompleted, v1::SUCCEEDED},
    {v1::STOPPING, Event::kFailed, v1::FAILED},
    {v1::STOPPING, Event::kStopped, v1::CANCELLED},
    {v1::STOPPING, Event::kSuspended, v1::SUSPENDED},
    {v1::STOPPING, Event::kPreempted, v1::QUEUED},

    {v1::SUSPENDED, Event::kResume, v1::QUEUED},
    {v1::SUSPENDED, Event::kCancel, v1::CANCELLED},

    // Asking again changes nothing.
    {v1::CANCELLED, Event::kCancel, v1::CANCELLED},
    {v1::SUSPENDED, Event::kSuspend, v1::SUSPENDED},
    {v1::QUEUED, Event::kResume, v1::QUEUED},
    {v1::STARTING, Event::kResume, v1::STARTING},
    {v1::RUNNING, Event::kResume, v1::RUNNING},
};

// STOP_CAUSE_UNSPECIFIED for what is no wish to stop.
v1::StopCause CauseOf(JobEventType event) {
  switch (event) {
    case Event::kCancel:
      return v1::STOP_CANCEL;
    case Event::kSuspend:
      return v1::STOP_SUSPEND;
    case Event::kPreempt:
      return v1::STOP_PREEMPT;
    default:
      return v1::STOP_CAUSE_UNSPECIFIED;
  }
}

// Of two wishes the stronger one holds.
int StrengthOf(v1::StopCause cause) {
  switch (cause) {
    case v1::STOP_CANCEL:
      return 3;
    case v1::STOP_SUSPEND:
      return 2;
    case v1::STOP_PREEMPT:
      return 1;
    default:
      return 0;
  }
}

uint64_t StatesWhere(bool (*predicate)(JobState)) {
  uint64_t states = 0;
  for (int state = v1::JobState_MIN; state <= v1::JobState_MAX; ++state) {
    if (v1::JobState_IsValid(state) && predicate(static_cast<JobState>(state))) {
      states |= uint64_t{1} << state;
    }
  }
  return states;
}

}  // namespace

absl::StatusOr<JobState> NextState(JobState from, JobEventType event) {
  for (const Edge& edge : kEdges) {
    if (edge.from == from && edge.event == event) return edge.to;
  }
  return absl::FailedPreconditionError(absl::StrCat("no edge from ", v1::JobState_Name(from),
                                                    " for event ", static_cast<int>(event)));
}

absl::StatusOr<v1::StopCause> NextStopCause(v1::StopCause before, JobState to, JobEventType event) {
  if (to != v1::STOPPING && to != v1::SUSPENDED) return v1::STOP_CAUSE_UNSPECIFIED;
  const v1::StopCause wish = CauseOf(event);
  if (wish == v1::STOP_CAUSE_UNSPECIFIED) return before;
  if (StrengthOf(wish) < StrengthOf(before)) {
    return absl::FailedPreconditionError(
        absl::StrCat("it stops already, for ", v1::StopCause_Name(before)));
  }
  return wish;
}

bool IsActive(JobState state) {
  return state == v1::STARTING || state == v1::RUNNING || state == v1::STOPPING;
}

uint64_t ActiveStates() { return StatesWhere(IsActive); }

uint64_t LiveStates() {
  return StatesWhere([](JobState state) { return !IsTerminal(state); });
}

}  // namespace skytrain
