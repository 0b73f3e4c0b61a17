#include "server/jobs/job_manager.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file/trash.h"
#include "common/status_macros.h"
#include "server/jobs/attempt_plan.h"
#include "server/jobs/job_dispatcher.h"
#include "server/jobs/job_lookup.h"
#include "server/jobs/job_recovery.h"
#include "server/jobs/job_state.h"
#include "server/jobs/job_submission.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

constexpr int kMaxQueue = 10'000;  // About 2 MB of an answer.

using Access = JobLookup::Access;

absl::Status Draining() {
  return WithRetryDelay(
      ErrorWithReason(absl::StatusCode::kUnavailable, "DRAINING", "the daemon is stopping"),
      absl::Seconds(2));
}

absl::Status WrongState(absl::string_view reason, const v1::Job& job, absl::string_view what) {
  const std::string state = absl::StrCat("is ", v1::JobState_Name(job.state()));
  return PreconditionError(reason, absl::StrCat("'", job.name(), "' ", state, what),
                           {{"JOB_STATE", job.name(), state}});
}

}  // namespace

struct JobManager::Impl {
  Impl(Options given, Database& database, EventHub& hub, Launcher& launcher, FileSystem& fs,
       Clock& clock)
      : options(std::move(given)),
        environment{options, database, launcher, fs, clock},
        dispatcher(environment, hub),
        lookup(options, database, dispatcher),
        submission(options, database, clock, lookup, dispatcher) {}

  // Records that the caller wants `event` of the job, where there is an edge for it, and answers
  // the job as it is then. `wish`: "cancelled".
  absl::StatusOr<v1::Job> Wish(const Caller& caller, const std::string& job_id, JobEventType event,
                               absl::string_view wish);

  const Options options;
  const AttemptEnvironment environment;
  std::atomic<bool> stopped{false};
  JobDispatcher dispatcher;
  JobLookup lookup;
  JobSubmission submission;
};

JobManager::JobManager(Options options, Database& database, EventHub& hub, Launcher& launcher,
                       FileSystem& fs, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), database, hub, launcher, fs, clock)) {}

JobManager::~JobManager() { Shutdown(); }

absl::Status JobManager::Start() {
  const std::string& attempts_dir = impl_->options.attempts_dir;
  FileSystem& fs = impl_->environment.fs;
  if (!fs.Exists(attempts_dir)) RETURN_IF_ERROR(fs.CreateDir(attempts_dir));
  RETURN_IF_ERROR(fs.SyncDir(ParentOf(attempts_dir)));
  RETURN_IF_ERROR(RecoverJobs(impl_->environment, impl_->dispatcher));
  return impl_->dispatcher.Start();
}

void JobManager::Shutdown() {
  impl_->stopped = true;
  impl_->dispatcher.Shutdown();
}

absl::StatusOr<v1::CreateJobResponse> JobManager::Create(const Caller& caller,
                                                         const v1::CreateJobRequest& request) {
  if (impl_->stopped) return Draining();
  return impl_->submission.Create(caller, request);
}

absl::StatusOr<v1::Job> JobManager::Get(const Caller& caller, const std::string& job_id) {
  if (impl_->stopped) return Draining();
  ASSIGN_OR_RETURN(const JobRow row, impl_->lookup.Find(caller, job_id, Access::kRead));
  return impl_->lookup.Load(caller, row);
}

absl::StatusOr<v1::ListJobsResponse> JobManager::List(const Caller& caller,
                                                      const v1::ListJobsRequest& request) {
  if (impl_->stopped) return Draining();
  return impl_->lookup.List(caller, request);
}

absl::StatusOr<v1::Job> JobManager::Impl::Wish(const Caller& caller, const std::string& job_id,
                                               JobEventType event, absl::string_view wish) {
  if (stopped) return Draining();
  ASSIGN_OR_RETURN(const JobRow row, lookup.Find(caller, job_id, Access::kChange));
  if (const auto journal = dispatcher.Find(row.uid)) {
    const std::string who = caller.owner == row.owner ? "its owner" : caller.owner;
    const absl::Status changed =
        journal->Change(Database::Priority::kControl, [&](JobJournal::Draft& draft) {
          return draft.Apply(event, absl::StrCat(wish, " by ", who));
        });
    // No such edge: the caller looks at what the job is.
    if (!changed.ok() && !absl::IsFailedPrecondition(changed)) return changed;
    dispatcher.Wake(row.uid);
  }
  return lookup.Load(caller, row);
}

absl::StatusOr<v1::Job> JobManager::Cancel(const Caller& caller, const std::string& job_id) {
  ASSIGN_OR_RETURN(v1::Job job, impl_->Wish(caller, job_id, JobEventType::kCancel, "cancelled"));
  if (job.state() == v1::SUCCEEDED || job.state() == v1::FAILED) {
    return WrongState("JOB_FINISHED", job, ": it is over already");
  }
  return job;
}

absl::StatusOr<v1::Job> JobManager::Suspend(const Caller& caller, const std::string& job_id) {
  ASSIGN_OR_RETURN(v1::Job job, impl_->Wish(caller, job_id, JobEventType::kSuspend, "suspended"));
  if (IsTerminal(job.state())) return WrongState("JOB_FINISHED", job, ": it is over already");
  if (job.state() == v1::STOPPING && job.stop_cause() == v1::STOP_CANCEL) {
    return WrongState("JOB_STOPPING", job, ": it is being cancelled");
  }
  return job;
}

absl::StatusOr<v1::Job> JobManager::Resume(const Caller& caller, const std::string& job_id) {
  ASSIGN_OR_RETURN(v1::Job job, impl_->Wish(caller, job_id, JobEventType::kResume, "resumed"));
  if (IsTerminal(job.state())) {
    return WrongState("JOB_NOT_SUSPENDED", job, ": it is over; submit it again to train anew");
  }
  if (job.state() == v1::STOPPING && job.stop_cause() != v1::STOP_PREEMPT) {
    return WrongState("JOB_NOT_SUSPENDED", job, ": it can be resumed once it is SUSPENDED");
  }
  return job;
}

absl::Status JobManager::Delete(const Caller& caller, const std::string& job_id) {
  if (impl_->stopped) return Draining();
  const AttemptEnvironment& environment = impl_->environment;
  ASSIGN_OR_RETURN(const JobRow row, impl_->lookup.Find(caller, job_id, Access::kChange));
  ASSIGN_OR_RETURN(const v1::Job job, impl_->lookup.Load(caller, row));
  if (!IsTerminal(job.state())) return WrongState("JOB_NOT_FINISHED", job, ": cancel it first");
  // Folders first: while the job is there, a delete that was cut short can be asked for again.
  Trash trash(environment.fs, TrashPath(impl_->options.attempts_dir));
  for (const v1::Attempt& attempt : job.attempts()) {
    RETURN_IF_ERROR(trash.Discard(AttemptPath(impl_->options, row.uid, attempt.number())));
  }
  RETURN_IF_ERROR(environment.database.Write(
      Database::Priority::kControl,
      [&](Connection& connection) { return DeleteJob(connection, row.uid); }));
  // The job is gone; events that stay behind now go at the next start.
  if (const absl::Status deleted = DeleteEvents(environment.database, row.uid); !deleted.ok()) {
    environment.Log(absl::StrCat("events of ", row.uid, ": ", deleted.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> JobManager::UserOf(const std::string& model) {
  return impl_->lookup.UserOf(model);
}

absl::StatusOr<v1::GetQueueResponse> JobManager::Queue(const Caller& caller) {
  if (impl_->stopped) return Draining();
  return impl_->dispatcher.Queue()->List({caller, impl_->options.jobs_visible_to_all}, kMaxQueue);
}

std::vector<DeviceUse> JobManager::Devices() {
  std::vector<DeviceUse> devices = impl_->dispatcher.Devices();
  for (DeviceUse& device : devices) {
    if (device.job.empty()) continue;
    const auto journal = impl_->dispatcher.Find(device.job);
    // A run hands its devices back just after its end is committed: who saw the end sees them free.
    const v1::Job job = journal != nullptr ? journal->Copy().job : v1::Job();
    device.job = IsTerminal(job.state()) ? "" : job.name();
    if (!device.job.empty()) device.unavailable.clear();
  }
  return devices;
}

JobManager::Counts JobManager::Count() {
  return {impl_->dispatcher.QueuedCount(), impl_->dispatcher.RunningCount(),
          impl_->dispatcher.SpoolBacklogBytes()};
}

}  // namespace skytrain
