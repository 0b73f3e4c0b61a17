#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// Who calls: from authentication, never from the request.
struct Caller {
  std::string owner;
  bool admin = false;
};

// What handlers may ask of jobs. Accepts, schedules, folds, ends. Thread-safe; every call may block
// on the disk, so handlers run it on an executor. Errors are those of job_service.proto.
class JobManager {
 public:
  virtual ~JobManager() = default;
  virtual absl::StatusOr<v1::CreateJobResponse> Create(const Caller& caller,
                                                       const v1::CreateJobRequest& request) = 0;
  virtual absl::StatusOr<v1::Job> Get(const Caller& caller, const std::string& job_id) = 0;
  virtual absl::StatusOr<v1::ListJobsResponse> List(const Caller& caller,
                                                    const v1::ListJobsRequest& request) = 0;
  virtual absl::StatusOr<v1::Job> Cancel(const Caller& caller, const std::string& job_id) = 0;
  virtual absl::Status Delete(const Caller& caller, const std::string& job_id) = 0;
  // The scheduler's view of the node.
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>>
  DeviceHolders() = 0;  // device, job name or ""
};

}  // namespace skytrain
