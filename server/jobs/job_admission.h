#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/jobs/job_manager.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// What became of a request that passed every check.
struct AdmittedJob {
  v1::Job job;       // Spec and data_warning; no name, no uid.
  std::string stem;  // Of the name, when the client chose none.
  v1::Estimate estimate;
};

// Checks the request's own fields, its spec, the spec against the data, and the node's devices.
// Errors are those of CreateJob.
absl::StatusOr<AdmittedJob> Admit(const JobManager::Options& options,
                                  const v1::CreateJobRequest& request, const std::string& owner);

// SHA-256 of what the request asks for: two requests with one request_id must agree in it.
std::string PayloadDigest(const v1::CreateJobRequest& request);

}  // namespace skytrain
