#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/jobs/job_state.h"
#include "server/jobs/retry_policy.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "skytrain/internal/v1/record.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// How an attempt ended, and what to say about it.
struct AttemptVerdict {
  v1::AttemptEnd end = v1::INTERNAL;
  std::string message;  // What happened, where, what to try.
  bool started = true;  // False: no process of it ever ran. Its Attempt has no start_time then.
};

// From what shepherd and rank 0 left. The exit record is the truth; where it only knows that a rank
// left with an error, the rank's own account says more. `result` without an end: rank 0 wrote none.
AttemptVerdict JudgeExit(const internal::v1::ExitRecord& exit,
                         const internal::v1::RankResult& result);
// No exit record, and no process left. `rebooted`: the claim is of another boot.
AttemptVerdict JudgeLost(bool rebooted);

// STOPPED or PREEMPTED, as the job's stop cause wants it, for an attempt that ended because it was
// asked to; every other end is what it is.
v1::AttemptEnd EndAsAsked(v1::AttemptEnd end, v1::StopCause cause);

// What follows for the job.
struct JobVerdict {
  JobEventType event = JobEventType::kFailed;
  std::string message;   // For Termination, or for the event of a retry.
  absl::Duration pause;  // Of kRetry: until the next attempt may start.
};
// `attempt`: how the newest attempt of `job` ended, which is not recorded there yet. `rules`: of
// the node; the job's own bound goes first. `checkpoint_step`: of the newest whole checkpoint.
// Pure.
JobVerdict JudgeJob(const AttemptVerdict& attempt, const v1::Job& job, RetryRules rules,
                    std::optional<int64_t> checkpoint_step);

}  // namespace skytrain
