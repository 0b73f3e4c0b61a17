#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/commands/commands.h"
#include "client/commands/context.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

// Something done to each of several jobs.
struct JobAction {
  std::string verb;                  // "cancel"
  std::vector<v1::JobState> states;  // A filter picks from the jobs in these: those it can change.
  // `name`: "jobs/{job}". The job as it is then.
  std::function<absl::StatusOr<v1::Job>(Client& client, const std::string& name)> act;
  // Said instead of the job's state, where `act` leaves no job to answer: "deleted".
  std::string done;
};

// Does `action` to the jobs that are named, or to all that the filter picks, after a question on a
// terminal (elsewhere `yes` must be given). All are tried, until the server cannot be reached; each
// gets a line: its state on stdout, or on stderr why not. The exit code is that of the worst.
absl::StatusOr<ExitCode> ActOnJobs(Context& context, const SelectOptions& options,
                                   const JobAction& action);

// Does `act` to each of `names`, which are of no jobs; the same lines (each with `done`, as
// "deleted") and exit code.
absl::StatusOr<ExitCode> ActOnNames(
    Context& context, const std::vector<std::string>& names, const std::string& done,
    const std::function<absl::Status(Client& client, const std::string& typed)>& act);

}  // namespace skytrain::client
