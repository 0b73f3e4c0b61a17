#pragma once

#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "server/jobs/job_admission.h"
#include "server/jobs/job_dispatcher.h"
#include "server/jobs/job_lookup.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/node_speed.h"
#include "server/store/database.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// Takes new jobs: checks them, gives them name and uid, stores them together with their request id,
// and hands them to the dispatcher. Thread-safe.
class JobSubmission {
 public:
  JobSubmission(const JobManager::Options& options, Database& database, Clock& clock,
                JobLookup& lookup, JobDispatcher& dispatcher)
      : options_(options),
        database_(database),
        clock_(clock),
        speed_(database),
        lookup_(lookup),
        dispatcher_(dispatcher) {}

  // As JobManager::Create.
  absl::StatusOr<v1::CreateJobResponse> Create(const Caller& caller,
                                               const v1::CreateJobRequest& request)
      ABSL_LOCKS_EXCLUDED(uid_mu_);

 private:
  // All checks, and the estimate of memory and time.
  absl::StatusOr<AdmittedJob> Check(const Caller& caller, const v1::CreateJobRequest& request);
  // The job that an earlier request with this id made, if there was one.
  absl::StatusOr<std::optional<v1::Job>> Repeated(const Caller& caller,
                                                  const v1::CreateJobRequest& request,
                                                  const std::string& payload);
  absl::Status CheckPriority(const Caller& caller, const v1::CreateJobRequest& request) const;
  absl::Status CheckRoom(const Caller& caller);
  // Greater than those before, also within one millisecond: queue and lists go by uid.
  std::string NextUid() ABSL_LOCKS_EXCLUDED(uid_mu_);
  absl::StatusOr<v1::Job> Store(const Caller& caller, const v1::CreateJobRequest& request,
                                const std::string& payload, const AdmittedJob& admitted);

  const JobManager::Options& options_;
  Database& database_;
  Clock& clock_;
  const NodeSpeed speed_;
  JobLookup& lookup_;
  JobDispatcher& dispatcher_;
  Mutex uid_mu_;
  std::string last_uid_ ABSL_GUARDED_BY(uid_mu_);
};

}  // namespace skytrain
