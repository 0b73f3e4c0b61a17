#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/jobs/attempt_supervisor.h"
#include "server/jobs/job_dispatcher.h"

namespace skytrain {

// What a new daemon does with what an earlier one left: hands every job that is not over to the
// dispatcher, and finishes deletes that were cut short. One job that cannot be read, or whose row
// is damaged whatever state it claims to be in, is set aside (lost_and_found.h) and logged. An
// error means that the database cannot be read.
absl::Status RecoverJobs(const AttemptEnvironment& environment, JobDispatcher& dispatcher);

// Removes all events of a job whose row is gone, in portions, since other writes wait for each.
absl::Status DeleteEvents(Database& database, const std::string& uid);

}  // namespace skytrain
