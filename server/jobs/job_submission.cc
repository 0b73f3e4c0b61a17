#include "server/jobs/job_submission.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/jobs/attempt_plan.h"
#include "server/jobs/job_journal.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

constexpr int kSuffixLength = 4;
constexpr int kNameTries = 8;

absl::Status JobExists(absl::string_view job_id) {
  return ErrorWithReason(absl::StatusCode::kAlreadyExists, "JOB_EXISTS",
                         absl::StrCat("there is already a job '", job_id, "'"));
}

// The model of a job has the job's name, and may not be the next version of an import.
absl::Status CheckIsNoImport(const JobManager::Options& options, const std::string& job_id) {
  if (job_id.empty() || !options.is_imported_model) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool imported, options.is_imported_model(job_id));
  if (!imported) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kAlreadyExists, "MODEL_TAKEN",
                         absl::StrCat("there is an imported model ", job_id,
                                      ", and a job's model has its name: choose another one"));
}

absl::Status RequestIdReused(absl::string_view request_id) {
  return ErrorWithReason(
      absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
      absl::StrCat("request id '", request_id, "' was used before, for another request"));
}

}  // namespace

absl::StatusOr<v1::CreateJobResponse> JobSubmission::Create(const Caller& caller,
                                                            const v1::CreateJobRequest& request) {
  const std::string payload = PayloadDigest(request);
  v1::CreateJobResponse response;
  if (!request.validate_only() && !request.request_id().empty()) {
    ASSIGN_OR_RETURN(auto job, Repeated(caller, request, payload));
    if (job.has_value()) {
      *response.mutable_job() = *std::move(job);
      // The data may have changed since; the job stands as it was accepted.
      if (auto admitted = Check(caller, request); admitted.ok()) {
        *response.mutable_estimate() = admitted->estimate;
      }
      return response;
    }
  }
  ASSIGN_OR_RETURN(AdmittedJob admitted, Check(caller, request));
  *response.mutable_estimate() = admitted.estimate;
  RETURN_IF_ERROR(CheckPriority(caller, request));
  RETURN_IF_ERROR(CheckRoom(caller));
  if (request.validate_only()) {
    *response.mutable_job() = std::move(admitted.job);
    response.mutable_job()->set_owner(caller.owner);
    response.mutable_job()->set_state(v1::QUEUED);
    if (!request.job_id().empty()) response.mutable_job()->set_name(JobName(request.job_id()));
    return response;
  }
  ASSIGN_OR_RETURN(*response.mutable_job(), Store(caller, request, payload, admitted));
  return response;
}

absl::StatusOr<AdmittedJob> JobSubmission::Check(const Caller& caller,
                                                 const v1::CreateJobRequest& request) {
  if (options_.account_of) RETURN_IF_ERROR(options_.account_of(caller.owner).status());
  RETURN_IF_ERROR(CheckIsNoImport(options_, request.job_id()));
  ASSIGN_OR_RETURN(AdmittedJob admitted, Admit(options_, request, caller.owner));
  const Demand demand = DemandOf(admitted.job, options_.cpu_slots);
  if (demand.gpus > 0) {
    speed_.EstimateTime("gpu", demand.gpus, admitted.estimate);
  } else {
    speed_.EstimateTime("cpu", demand.cpus, admitted.estimate);
  }
  // Two passes a step.
  if (admitted.job.experiment().optimizer().has_sam()) {
    admitted.estimate.set_epoch_seconds(2 * admitted.estimate.epoch_seconds());
  }
  return admitted;
}

absl::StatusOr<std::optional<v1::Job>> JobSubmission::Repeated(const Caller& caller,
                                                               const v1::CreateJobRequest& request,
                                                               const std::string& payload) {
  std::optional<RequestRow> before;
  std::optional<JobRow> row;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(before, FindRequest(connection, caller.owner, request.request_id()));
    if (before.has_value()) {
      ASSIGN_OR_RETURN(row, FindJobByUid(connection, before->job_uid));
    }
    return absl::OkStatus();
  }));
  if (!before.has_value()) return std::optional<v1::Job>();
  if (before->payload != payload) return RequestIdReused(request.request_id());
  if (!row.has_value()) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                           "the job of this request id was deleted");
  }
  ASSIGN_OR_RETURN(v1::Job job, lookup_.Load(caller, *row));
  return std::optional<v1::Job>(std::move(job));
}

std::string JobSubmission::NextUid() {
  MutexLock lock(uid_mu_);
  const absl::Duration since = clock_.Monotonic();
  std::string uid = NewUid();
  // Only a clock that was set back can keep this going, and then order is lost anyway.
  while (uid <= last_uid_ && clock_.Monotonic() - since < absl::Milliseconds(5)) uid = NewUid();
  last_uid_ = uid;
  return uid;
}

absl::Status JobSubmission::CheckPriority(const Caller& caller,
                                          const v1::CreateJobRequest& request) const {
  const int priority = request.job().experiment().queue().priority();
  if (priority <= options_.max_priority || caller.admin) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kPermissionDenied, "PRIORITY_NOT_ALLOWED",
      absl::StrCat("queue.priority is ", priority, "; only an admin may go above ",
                   options_.max_priority, " on this node"));
}

absl::Status JobSubmission::CheckRoom(const Caller& caller) {
  if (dispatcher_.QueuedCount() >= options_.max_queued_jobs) {
    return WithRetryDelay(
        ErrorWithReason(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                        absl::StrCat("the queue is full: ", options_.max_queued_jobs,
                                     " jobs wait already. Try again later.")),
        absl::Seconds(30));
  }
  const int own_limit = options_.max_queued_jobs_per_owner;
  if (own_limit > 0 && dispatcher_.QueuedCountOf(caller.owner) >= own_limit) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, "OWNER_QUEUE_FULL",
                           absl::StrCat("you have ", own_limit,
                                        " waiting jobs, and may not have more. Cancel some, or try "
                                        "again later."));
  }
  if (database_.IsFull()) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, "STORE_FULL",
                           "the disk of the daemon's state folder is full: no new jobs until "
                           "space is freed");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Job> JobSubmission::Store(const Caller& caller,
                                             const v1::CreateJobRequest& request,
                                             const std::string& payload,
                                             const AdmittedJob& admitted) {
  absl::Status stored;
  bool repeated = false;
  bool told = false;
  for (int tries = 0; tries < kNameTries; ++tries) {
    const std::string id = request.job_id().empty()
                               ? absl::StrCat(admitted.stem, "-", RandomSuffix(kSuffixLength))
                               : request.job_id();
    v1::Job job = admitted.job;
    job.set_uid(NextUid());
    job.set_name(JobName(id));
    job.set_owner(caller.owner);
    v1::Job created;
    stored =
        database_.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
          if (!request.request_id().empty()) {
            ASSIGN_OR_RETURN(const auto before,
                             FindRequest(connection, caller.owner, request.request_id()));
            // The same request on two connections at once.
            if ((repeated = before.has_value())) return absl::AbortedError("repeated");
            RETURN_IF_ERROR(InsertRequest(connection, caller.owner, request.request_id(),
                                          {payload, job.uid()}));
          }
          created = job;  // Anew each time: on a disk that is just full this runs twice.
          ASSIGN_OR_RETURN(told,
                           JobJournal::Insert(connection, created, options_.outbox, clock_.Now()));
          return SetFlopsPerSample(connection, job.uid(), admitted.estimate.flops_per_sample());
        });
    if (repeated) {
      ASSIGN_OR_RETURN(auto first, Repeated(caller, request, payload));
      if (first.has_value()) return *std::move(first);
      return JobNotFound(request.job_id());
    }
    if (stored.ok()) {
      if (told) options_.outbox.stored();
      dispatcher_.Add(JobRecord{created, {}});
      lookup_.SetPlace(caller, created);
      return created;
    }
    if (!absl::IsAlreadyExists(stored)) return stored;
    if (!request.job_id().empty()) return JobExists(request.job_id());
  }
  return stored;
}

}  // namespace skytrain
