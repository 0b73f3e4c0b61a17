#include "server/jobs/job_manager.h"

#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/jobs/attempt_plan.h"
#include "server/jobs/job_admission.h"
#include "server/jobs/job_codec.h"
#include "server/jobs/job_dispatcher.h"
#include "server/jobs/job_state.h"
#include "server/store/event_rows.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 1000;
constexpr size_t kUidSize = 26;
constexpr int kSuffixLength = 4;
constexpr int kNameTries = 8;
constexpr int64_t kBatchesPerDelete = 16;  // About 1 MiB.

absl::Status JobNotFound(absl::string_view job_id) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                         absl::StrCat("there is no job '", job_id, "'"));
}

absl::Status JobExists(absl::string_view job_id) {
  return ErrorWithReason(absl::StatusCode::kAlreadyExists, "JOB_EXISTS",
                         absl::StrCat("there is already a job '", job_id, "'"));
}

absl::Status RequestIdReused(absl::string_view request_id) {
  return ErrorWithReason(
      absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
      absl::StrCat("request id '", request_id, "' was used before, for another request"));
}

absl::Status Draining() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "DRAINING", "the daemon is stopping");
}

}  // namespace

struct JobManager::Impl {
  Impl(Options given, Database& database, EventHub& hub, Launcher& launcher, FileSystem& fs,
       Clock& clock)
      : options(std::move(given)),
        environment{options, database, launcher, fs, clock},
        database(database),
        fs(fs),
        clock(clock),
        dispatcher(environment, hub) {}

  absl::Status Recover();
  void FinishDeletes();
  absl::Status DeleteEvents(const std::string& uid);
  // JOB_NOT_FOUND also for the job of somebody else.
  absl::StatusOr<JobRow> FindRow(const Caller& caller, const std::string& job_id);
  absl::StatusOr<v1::Job> Whole(const JobRow& row);
  // The job that an earlier request with this id made, if there was one.
  absl::StatusOr<std::optional<v1::Job>> Repeated(const Caller& caller,
                                                  const v1::CreateJobRequest& request,
                                                  const std::string& payload);
  absl::Status CheckRoom();
  // Greater than those before, also within one millisecond: queue and lists go by uid.
  std::string NextUid() ABSL_LOCKS_EXCLUDED(uid_mu);
  absl::StatusOr<v1::Job> Store(const Caller& caller, const v1::CreateJobRequest& request,
                                const std::string& payload, const AdmittedJob& admitted);

  const Options options;
  const AttemptEnvironment environment;
  Database& database;
  FileSystem& fs;
  Clock& clock;
  std::atomic<bool> stopped{false};
  Mutex uid_mu;
  std::string last_uid ABSL_GUARDED_BY(uid_mu);
  JobDispatcher dispatcher;
};

JobManager::JobManager(Options options, Database& database, EventHub& hub, Launcher& launcher,
                       FileSystem& fs, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), database, hub, launcher, fs, clock)) {}

JobManager::~JobManager() { Shutdown(); }

absl::Status JobManager::Start() {
  const std::string& attempts_dir = impl_->options.attempts_dir;
  if (!impl_->fs.Exists(attempts_dir)) RETURN_IF_ERROR(impl_->fs.CreateDir(attempts_dir));
  RETURN_IF_ERROR(impl_->Recover());
  impl_->dispatcher.Start();
  return absl::OkStatus();
}

void JobManager::Shutdown() {
  impl_->stopped = true;
  impl_->dispatcher.Shutdown();
}

absl::Status JobManager::Impl::Recover() {
  std::vector<std::string> uids;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(uids, UidsInStates(connection, LiveStates()));
    return absl::OkStatus();
  }));
  for (const std::string& uid : uids) {
    std::optional<JobRecord> record;
    const absl::Status read = database.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const auto row, FindJobByUid(connection, uid));
      if (!row.has_value()) return JobNotFound(uid);
      ASSIGN_OR_RETURN(record, LoadJob(connection, *row));
      if (IsActive(record->job.state()) && record->job.attempts().empty()) {
        return absl::DataLossError("it runs, but has no attempt");
      }
      return absl::OkStatus();
    });
    // One job that cannot be read must not keep the others from running.
    if (read.ok()) {
      dispatcher.Add(*std::move(record));
    } else {
      environment.Log(absl::StrCat("job ", uid, " is left alone: ", read.message()));
    }
  }
  FinishDeletes();
  return absl::OkStatus();
}

void JobManager::Impl::FinishDeletes() {
  std::vector<std::string> uids;
  absl::Status status = database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(uids, UidsWithoutJob(connection));
    return absl::OkStatus();
  });
  for (const std::string& uid : uids) status.Update(DeleteEvents(uid));
  if (!status.ok()) environment.Log(absl::StrCat("deleting old events: ", status.message()));
}

absl::Status JobManager::Impl::DeleteEvents(const std::string& uid) {
  int64_t removed = kBatchesPerDelete;
  // In portions, since other writes wait for each.
  while (removed == kBatchesPerDelete) {
    RETURN_IF_ERROR(database.Write(
        Database::Priority::kBulk,
        [&](Connection& connection) -> absl::Status {
          ASSIGN_OR_RETURN(removed, DeleteBatches(connection, uid, kBatchesPerDelete));
          return absl::OkStatus();
        },
        kBatchesPerDelete << 16));
  }
  return absl::OkStatus();
}

absl::StatusOr<JobRow> JobManager::Impl::FindRow(const Caller& caller, const std::string& job_id) {
  if (stopped) return Draining();
  std::optional<JobRow> row;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, FindJobById(connection, job_id));
    return absl::OkStatus();
  }));
  if (!row.has_value() || (row->owner != caller.owner && !caller.admin)) {
    return JobNotFound(job_id);
  }
  return *std::move(row);
}

absl::StatusOr<v1::Job> JobManager::Impl::Whole(const JobRow& row) {
  v1::Job job;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
    // Again, so that job and attempts are of one moment.
    ASSIGN_OR_RETURN(const auto now, FindJobByUid(connection, row.uid));
    if (!now.has_value()) return JobNotFound(row.id);
    ASSIGN_OR_RETURN(JobRecord record, LoadJob(connection, *now));
    job = std::move(record.job);
    return absl::OkStatus();
  }));
  if (job.state() == v1::QUEUED) job.set_queue_position(dispatcher.QueuePosition(job.uid()));
  return job;
}

absl::StatusOr<v1::CreateJobResponse> JobManager::Create(const Caller& caller,
                                                         const v1::CreateJobRequest& request) {
  if (impl_->stopped) return Draining();
  const std::string payload = PayloadDigest(request);
  v1::CreateJobResponse response;
  if (!request.validate_only() && !request.request_id().empty()) {
    ASSIGN_OR_RETURN(auto job, impl_->Repeated(caller, request, payload));
    if (job.has_value()) {
      *response.mutable_job() = *std::move(job);
      // The data may have changed since; the job stands as it was accepted.
      if (auto admitted = Admit(impl_->options, request); admitted.ok()) {
        *response.mutable_estimate() = admitted->estimate;
      }
      return response;
    }
  }
  ASSIGN_OR_RETURN(AdmittedJob admitted, Admit(impl_->options, request));
  *response.mutable_estimate() = admitted.estimate;
  RETURN_IF_ERROR(impl_->CheckRoom());
  if (request.validate_only()) {
    *response.mutable_job() = std::move(admitted.job);
    response.mutable_job()->set_owner(caller.owner);
    response.mutable_job()->set_state(v1::QUEUED);
    if (!request.job_id().empty()) response.mutable_job()->set_name(JobName(request.job_id()));
    return response;
  }
  ASSIGN_OR_RETURN(*response.mutable_job(), impl_->Store(caller, request, payload, admitted));
  return response;
}

absl::StatusOr<std::optional<v1::Job>> JobManager::Impl::Repeated(
    const Caller& caller, const v1::CreateJobRequest& request, const std::string& payload) {
  std::optional<RequestRow> before;
  std::optional<JobRow> row;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
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
  ASSIGN_OR_RETURN(v1::Job job, Whole(*row));
  return std::optional<v1::Job>(std::move(job));
}

std::string JobManager::Impl::NextUid() {
  MutexLock lock(uid_mu);
  const absl::Duration since = clock.Monotonic();
  std::string uid = NewUid();
  // Only a clock that was set back can keep this going, and then order is lost anyway.
  while (uid <= last_uid && clock.Monotonic() - since < absl::Milliseconds(5)) uid = NewUid();
  last_uid = uid;
  return uid;
}

absl::Status JobManager::Impl::CheckRoom() {
  if (dispatcher.QueuedCount() >= options.max_queued_jobs) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                           absl::StrCat("the queue is full: ", options.max_queued_jobs,
                                        " jobs wait already. Try again later."));
  }
  if (database.IsFull()) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, "STORE_FULL",
                           "the disk of the daemon's state folder is full: no new jobs until "
                           "space is freed");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Job> JobManager::Impl::Store(const Caller& caller,
                                                const v1::CreateJobRequest& request,
                                                const std::string& payload,
                                                const AdmittedJob& admitted) {
  absl::Status stored;
  bool repeated = false;
  for (int tries = 0; tries < kNameTries; ++tries) {
    const std::string id = request.job_id().empty()
                               ? absl::StrCat(admitted.stem, "-", RandomSuffix(kSuffixLength))
                               : request.job_id();
    v1::Job job = admitted.job;
    job.set_uid(NextUid());
    job.set_name(JobName(id));
    job.set_owner(caller.owner);
    stored =
        database.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
          if (!request.request_id().empty()) {
            ASSIGN_OR_RETURN(const auto before,
                             FindRequest(connection, caller.owner, request.request_id()));
            // The same request on two connections at once.
            if ((repeated = before.has_value())) return absl::AbortedError("repeated");
            RETURN_IF_ERROR(InsertRequest(connection, caller.owner, request.request_id(),
                                          {payload, job.uid()}));
          }
          return JobJournal::Insert(connection, job, clock.Now());
        });
    if (repeated) {
      ASSIGN_OR_RETURN(auto first, Repeated(caller, request, payload));
      if (first.has_value()) return *std::move(first);
      return JobNotFound(request.job_id());
    }
    if (stored.ok()) {
      dispatcher.Add(JobRecord{job, {}});
      job.set_queue_position(std::max(1, dispatcher.QueuePosition(job.uid())));
      return job;
    }
    if (!absl::IsAlreadyExists(stored)) return stored;
    if (!request.job_id().empty()) return JobExists(request.job_id());
  }
  return stored;
}

absl::StatusOr<v1::Job> JobManager::Get(const Caller& caller, const std::string& job_id) {
  ASSIGN_OR_RETURN(const JobRow row, impl_->FindRow(caller, job_id));
  return impl_->Whole(row);
}

absl::StatusOr<v1::ListJobsResponse> JobManager::List(const Caller& caller,
                                                      const v1::ListJobsRequest& request) {
  if (impl_->stopped) return Draining();
  JobFilter filter;
  if (!caller.admin) filter.owner = caller.owner;
  if (!request.page_token().empty() && request.page_token().size() != kUidSize) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_PAGE_TOKEN",
                           "page_token is not one of an earlier answer");
  }
  filter.before_uid = request.page_token();
  const int size = request.page_size() > 0 ? std::min(request.page_size(), kMaxPage) : kDefaultPage;
  filter.limit = size + 1;  // One more tells whether there is another page.
  if (!request.states().empty()) {
    filter.states = 0;
    for (const int state : request.states()) {
      if (state > 0 && state < 64) filter.states |= uint64_t{1} << state;
    }
  }
  std::vector<JobRow> rows;
  RETURN_IF_ERROR(impl_->database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(rows, ListJobs(connection, filter));
    return absl::OkStatus();
  }));
  v1::ListJobsResponse response;
  if (static_cast<int>(rows.size()) > size) {
    rows.pop_back();
    response.set_next_page_token(rows.back().uid);
  }
  for (const JobRow& row : rows) {
    auto job = FromRow(row);
    if (!job.ok()) {  // One that cannot be read must not hide the others.
      impl_->environment.Log(job.status().message());
      continue;
    }
    if (job->state() == v1::QUEUED) {
      job->set_queue_position(impl_->dispatcher.QueuePosition(row.uid));
    }
    *response.add_jobs() = *std::move(job);
  }
  return response;
}

absl::StatusOr<v1::Job> JobManager::Cancel(const Caller& caller, const std::string& job_id) {
  ASSIGN_OR_RETURN(const JobRow row, impl_->FindRow(caller, job_id));
  if (const auto journal = impl_->dispatcher.Find(row.uid)) {
    const absl::Status changed =
        journal->Change(Database::Priority::kControl, [](JobJournal::Draft& draft) {
          return draft.Apply(JobEventType::kCancel, "cancelled by its owner");
        });
    if (!changed.ok() && !absl::IsFailedPrecondition(changed)) return changed;
    impl_->dispatcher.Wake(row.uid);
  }
  ASSIGN_OR_RETURN(v1::Job job, impl_->Whole(row));
  if (job.state() == v1::SUCCEEDED || job.state() == v1::FAILED) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "JOB_FINISHED",
        absl::StrCat("job '", job_id, "' is over: ", v1::JobState_Name(job.state())));
  }
  return job;
}

absl::Status JobManager::Delete(const Caller& caller, const std::string& job_id) {
  ASSIGN_OR_RETURN(const JobRow row, impl_->FindRow(caller, job_id));
  ASSIGN_OR_RETURN(const v1::Job job, impl_->Whole(row));
  if (!IsTerminal(job.state())) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "JOB_NOT_FINISHED",
                           absl::StrCat("job '", job_id, "' is ", v1::JobState_Name(job.state()),
                                        ": cancel it first"));
  }
  // Folders first: while the job is there, a delete that was cut short can be asked for again.
  for (const v1::Attempt& attempt : job.attempts()) {
    const std::string path = AttemptPath(impl_->options, row.uid, attempt.number());
    if (impl_->fs.Exists(path)) RETURN_IF_ERROR(impl_->fs.RemoveTree(path));
  }
  RETURN_IF_ERROR(impl_->database.Write(Database::Priority::kControl, [&](Connection& connection) {
    return DeleteJob(connection, row.uid);
  }));
  // The job is gone; events that stay behind now go at the next start.
  if (const absl::Status deleted = impl_->DeleteEvents(row.uid); !deleted.ok()) {
    impl_->environment.Log(absl::StrCat("events of ", row.uid, ": ", deleted.message()));
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> JobManager::DeviceHolders() {
  auto holders = impl_->dispatcher.Holders();
  for (auto& [device, holder] : holders) {
    if (holder.empty()) continue;
    const auto journal = impl_->dispatcher.Find(holder);
    // A run hands its devices back just after its end is committed: who saw the end sees them free.
    const v1::Job job = journal != nullptr ? journal->Copy().job : v1::Job();
    holder = IsTerminal(job.state()) ? "" : job.name();
  }
  return holders;
}

}  // namespace skytrain
