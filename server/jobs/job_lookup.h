#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/jobs/job_dispatcher.h"
#include "server/jobs/job_manager.h"
#include "server/store/job_rows.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

absl::Status JobNotFound(absl::string_view job_id);

// Finds stored jobs, as far as the caller may know of them. Thread-safe.
class JobLookup {
 public:
  enum class Access { kRead, kChange };

  JobLookup(const JobManager::Options& options, Database& database, JobDispatcher& dispatcher)
      : options_(options), database_(database), dispatcher_(dispatcher) {}

  // JOB_NOT_FOUND also for the job of somebody else; NOT_OWNER where it may be seen, but not
  // changed.
  absl::StatusOr<JobRow> Find(const Caller& caller, const std::string& job_id, Access access);
  // A page of the jobs that the caller may see. It may have fewer jobs than asked for, also none,
  // and yet not be the last: a filter that few jobs match looks at so many for each page, no more.
  absl::StatusOr<v1::ListJobsResponse> List(const Caller& caller,
                                            const v1::ListJobsRequest& request);
  // As JobManager::UserOf.
  absl::StatusOr<std::string> UserOf(const std::string& model);
  // The job as it is now, with its attempts and its place in the queue.
  absl::StatusOr<v1::Job> Load(const Caller& caller, const JobRow& row);
  // Where a queued job is in the queue, why it waits, and when it might start, as far as the
  // caller may know.
  void SetPlace(const Caller& caller, v1::Job& job);

 private:
  const JobManager::Options& options_;
  Database& database_;
  JobDispatcher& dispatcher_;
};

}  // namespace skytrain
