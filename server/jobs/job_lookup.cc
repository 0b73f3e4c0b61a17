#include "server/jobs/job_lookup.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/page.h"
#include "common/status_macros.h"
#include "server/jobs/job_codec.h"
#include "server/jobs/job_filter.h"
#include "server/jobs/job_state.h"

namespace skytrain {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 1000;
constexpr size_t kUidSize = 26;
// Rows that one call with a filter looks at: a few dozen milliseconds.
constexpr int kMaxScan = 5000;
constexpr int kScanAtOnce = 500;

absl::Status NotOwner(absl::string_view job_id, absl::string_view owner) {
  return ErrorWithReason(absl::StatusCode::kPermissionDenied, "NOT_OWNER",
                         absl::StrCat("job '", job_id, "' belongs to ", owner,
                                      ": only they or an admin may change it"));
}

// Whether the job's spec names the version `model`.
bool Needs(const v1::Job& job, const ModelName& model) {
  const std::string& named =
      job.has_evaluation() ? job.evaluation().model() : job.experiment().init().model();
  const absl::StatusOr<ModelName> needed = ParseModelName(named);
  return !named.empty() && needed.ok() && needed->model == model.model &&
         needed->version == model.version;
}

uint64_t StatesOf(const v1::ListJobsRequest& request) {
  if (request.states().empty()) return ~uint64_t{0};
  uint64_t states = 0;
  for (const int state : request.states()) {
    if (state > 0 && state < 64) states |= uint64_t{1} << state;
  }
  return states;
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

absl::StatusOr<v1::ListJobsResponse> JobLookup::List(const Caller& caller,
                                                     const v1::ListJobsRequest& request) {
  ASSIGN_OR_RETURN(const JobFilter filter, JobFilter::Parse(request.filter()));
  if (!request.page_token().empty() && request.page_token().size() != kUidSize) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_PAGE_TOKEN",
                           "page_token is not one of an earlier answer");
  }
  const int size = request.page_size() > 0 ? std::min(request.page_size(), kMaxPage) : kDefaultPage;
  const bool sees_all = caller.admin || options_.jobs_visible_to_all;
  v1::ListJobsResponse response;
  int64_t bytes = 0;
  JobPage page;
  page.owner = sees_all ? filter.Owner() : caller.owner;
  page.before_uid = request.page_token();
  page.states = StatesOf(request) & filter.States();
  page.limit = request.filter().empty() ? size + 1 : std::max(size + 1, kScanAtOnce);
  for (int scanned = 0; scanned < kMaxScan; scanned += page.limit) {
    std::vector<JobRow> rows;
    RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(rows, ListJobs(connection, page));
      return absl::OkStatus();
    }));
    for (const JobRow& row : rows) {
      auto job = FromRow(row);
      if (!job.ok()) {  // One that cannot be read must not hide the others.
        if (options_.log) options_.log(job.status().message());
      } else if (filter.Matches(*job)) {
        // One more than asked for tells that there is another page.
        if (response.jobs_size() == size) return response;
        SetPlace(caller, *job);
        bytes += static_cast<int64_t>(job->ByteSizeLong());
        if (bytes > kMaxPageBytes && response.jobs_size() > 0) return response;
        *response.add_jobs() = *std::move(job);
      }
      response.set_next_page_token(row.uid);
    }
    if (static_cast<int>(rows.size()) < page.limit) {
      response.clear_next_page_token();
      break;
    }
    page.before_uid = rows.back().uid;
  }
  return response;
}

absl::StatusOr<std::string> JobLookup::UserOf(const std::string& model) {
  ASSIGN_OR_RETURN(const ModelName name, ParseModelName(model));
  std::string user, after;
  size_t found = kScanAtOnce;
  while (user.empty() && found == kScanAtOnce) {
    RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const std::vector<JobRow> rows,
                       JobsInStates(connection, LiveStates(), after, kScanAtOnce));
      found = rows.size();
      for (const JobRow& row : rows) {
        after = row.uid;
        const absl::StatusOr<v1::Job> job = FromRow(row);
        if (!job.ok() || !Needs(*job, name)) continue;
        user = job->name();
        break;
      }
      return absl::OkStatus();
    }));
  }
  return user;
}

absl::StatusOr<v1::Job> JobLookup::Load(const Caller& caller, const JobRow& row) {
  v1::Job job;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    // Again, so that job and attempts are of one moment.
    ASSIGN_OR_RETURN(const auto now, FindJobByUid(connection, row.uid));
    if (!now.has_value()) return JobNotFound(row.id);
    ASSIGN_OR_RETURN(JobRecord record, LoadJob(connection, *now));
    job = std::move(record.job);
    return absl::OkStatus();
  }));
  SetPlace(caller, job);
  return job;
}

void JobLookup::SetPlace(const Caller& caller, v1::Job& job) {
  if (job.state() != v1::QUEUED) return;
  if (dispatcher_.Queue()->Describe({caller, options_.jobs_visible_to_all}, job)) return;
  // It came after the last pass.
  job.set_queue_position(std::max(1, dispatcher_.QueuedCount()));
}

}  // namespace skytrain
