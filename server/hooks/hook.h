#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/jobs/job_filter.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// One entry of `hooks` in the configuration: who is told of which state changes, and how.
struct Hook {
  std::string name;     // Unique; [a-z0-9-], 32 characters at most.
  uint64_t states = 0;  // Bit n: state n of v1.JobState. Told when a job enters one of them.
  JobFilter filter;     // And the job matches.
  std::vector<std::string> exec;  // Absolute path of a program, and its arguments; or:
  std::string url;                // https://…, or http://… to this machine.
  std::string secret_file;        // With `url`: the key of the signature.
  std::string ca;                 // PEM that `url` is verified against. Empty: the system's.
  absl::Duration timeout = absl::Seconds(10);  // Of one try.
  absl::Duration max_age = absl::Hours(24);    // From the state change; then it is given up.

  // Whether it is to be told of `change`, after which the job is `job`.
  bool Wants(const v1::Job& job, const v1::StateChange& change) const;
};

// What cannot work as the machine is now: no such program, a secret that others can read, a CA file
// without certificates. FAILED_PRECONDITION with the file and what to do.
absl::Status CheckHook(const Hook& hook);

// The key in a secret file: its content without line breaks at the end. FAILED_PRECONDITION when
// the group or others may read it or it is shorter than 16 bytes; errors of reading.
absl::StatusOr<std::string> ReadSecret(const std::string& path);

}  // namespace skytrain
