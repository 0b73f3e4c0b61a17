#include "server/jobs/job_lookup.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/jobs/job_codec.h"

namespace skytrain {
namespace {

absl::Status NotOwner(absl::string_view job_id, absl::string_view owner) {
  return ErrorWithReason(absl::StatusCode::kPermissionDenied, "NOT_OWNER",
                         absl::StrCat("job '", job_id, "' belongs to ", owner,
                                      ": only they or an admin may change it"));
}

}  // namespace

absl::Status JobNotFound(absl::string_view job_id) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                         absl::StrCat("there is no job '", job_id, "'"));
}

absl::StatusOr<JobRow> JobLookup::Find(const Caller& caller, const std::string& job_id,
                                       Access access) {
  std::optional<JobRow> row;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, FindJobById(connection, job_id));
    return absl::OkStatus();
  }));
  if (!row.has_value()) return JobNotFound(job_id);
  if (row->owner == caller.owner || caller.admin) return *std::move(row);
  if (!options_.jobs_visible_to_all) return JobNotFound(job_id);
  if (access == Access::kChange) return NotOwner(job_id, row->owner);
  return *std::move(row);
}

absl::StatusOr<v1::Job> JobLookup::Load(const JobRow& row) {
  v1::Job job;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    // Again, so that job and attempts are of one moment.
    ASSIGN_OR_RETURN(const auto now, FindJobByUid(connection, row.uid));
    if (!now.has_value()) return JobNotFound(row.id);
    ASSIGN_OR_RETURN(JobRecord record, LoadJob(connection, *now));
    job = std::move(record.job);
    return absl::OkStatus();
  }));
  if (job.state() == v1::QUEUED) job.set_queue_position(dispatcher_.QueuePosition(job.uid()));
  return job;
}

}  // namespace skytrain
