#pragma once

#include "absl/status/statusor.h"
#include "client/commands/commands.h"
#include "client/commands/context.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain::client {

// Reads, checks and submits what `options` say; with dry_run only has the server check it. Errors
// name the places in the file that they are about.
absl::StatusOr<v1::CreateJobResponse> SubmitExperiment(Context& context,
                                                       const SubmitOptions& options);

}  // namespace skytrain::client
