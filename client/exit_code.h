#pragma once

#include "absl/status/status.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

// What scripts rely on.
enum ExitCode {
  kExitOk = 0,      // Also: the job SUCCEEDED.
  kExitFailed = 1,  // The job FAILED; also an error with no code of its own.
  kExitUsage = 2,   // Command line or experiment is wrong.
  kExitNotFound = 3,
  kExitNotAllowed = 4,
  kExitQuota = 5,
  kExitWrongState = 6,  // Also: the job that was waited for is SUSPENDED.
  kExitUnreachable = 7,
  kExitVersion = 8,  // The server does not know the call.
  kExitCorrupt = 9,
  kExitCancelled = 10,  // The job was CANCELLED.
  kExitTimeout = 124,   // `wait --timeout` ran out.
  kExitInterrupted = 130,
};

ExitCode ExitCodeOf(const absl::Status& status);
// Of a job that is over or suspended; kExitOk for any other state.
ExitCode ExitCodeOf(v1::JobState state);

}  // namespace skytrain::client
