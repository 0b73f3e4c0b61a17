#include "server/jobs/job_recovery.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/file/trash.h"
#include "common/status_macros.h"
#include "server/jobs/attempt_plan.h"
#include "server/jobs/job_codec.h"
#include "server/jobs/job_state.h"
#include "server/jobs/lost_and_found.h"
#include "server/store/event_rows.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

constexpr int64_t kBatchesPerDelete = 16;  // About 1 MiB.
constexpr int kJobsAtOnce = 1000;

struct Recovered {
  std::string uid;
  absl::StatusOr<JobRecord> record;
};

// The next portion of the jobs that are not over, oldest first. An error: the database cannot be
// read.
absl::StatusOr<std::vector<Recovered>> ReadJobs(Connection& connection, const std::string& after) {
  ASSIGN_OR_RETURN(const std::vector<JobRow> rows,
                   JobsInStates(connection, LiveStates(), after, kJobsAtOnce));
  std::vector<Recovered> jobs;
  for (const JobRow& row : rows) {
    Recovered& job = jobs.emplace_back(Recovered{row.uid, LoadJob(connection, row)});
    if (job.record.ok() && IsActive(job.record->job.state()) &&
        job.record->job.attempts().empty()) {
      job.record = absl::DataLossError("it runs, but has no attempt");
    }
  }
  return jobs;
}

// One job that cannot be read must not keep the others from running.
void PutAside(const AttemptEnvironment& environment, const std::string& uid,
              const absl::Status& why) {
  const absl::Status aside = SetAside(environment, uid, why);
  environment.Log(absl::StrCat(
      "job ", uid, " cannot be read: ", why.message(),
      aside.ok() ? "; it was moved to lost+found" : "; it is left alone: ", aside.message()));
}

// A job that claims to be over, in a row that is damaged, may be one that should go on.
absl::Status PutAsideDamaged(const AttemptEnvironment& environment) {
  std::vector<JobRow> damaged;
  RETURN_IF_ERROR(environment.database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(damaged, DamagedJobsOutside(connection, LiveStates()));
    return absl::OkStatus();
  }));
  for (const JobRow& row : damaged) PutAside(environment, row.uid, FromRow(row).status());
  return absl::OkStatus();
}

void FinishDeletes(const AttemptEnvironment& environment) {
  std::vector<std::string> uids;
  absl::Status status = environment.database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(uids, UidsWithoutJob(connection));
    return absl::OkStatus();
  });
  for (const std::string& uid : uids) status.Update(DeleteEvents(environment.database, uid));
  status.Update(Trash(environment.fs, TrashPath(environment.options.attempts_dir)).Empty());
  if (!status.ok())
    environment.Log(absl::StrCat("deleting what was left of deleted jobs: ", status.message()));
}

}  // namespace

absl::Status RecoverJobs(const AttemptEnvironment& environment, JobDispatcher& dispatcher) {
  std::string after;
  std::vector<Recovered> jobs;
  do {
    RETURN_IF_ERROR(environment.database.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(jobs, ReadJobs(connection, after));
      return absl::OkStatus();
    }));
    for (Recovered& job : jobs) {
      after = job.uid;
      if (job.record.ok()) {
        dispatcher.Add(*std::move(job.record));
      } else {
        PutAside(environment, job.uid, job.record.status());
      }
    }
  } while (!jobs.empty());
  RETURN_IF_ERROR(PutAsideDamaged(environment));
  FinishDeletes(environment);
  return absl::OkStatus();
}

absl::Status DeleteEvents(Database& database, const std::string& uid) {
  int64_t removed = kBatchesPerDelete;
  while (removed == kBatchesPerDelete) {
    RETURN_IF_ERROR(database.Write(
        // On a full disk only control writes have room.
        database.IsFull() ? Database::Priority::kControl : Database::Priority::kBulk,
        [&](Connection& connection) -> absl::Status {
          ASSIGN_OR_RETURN(removed, DeleteBatches(connection, uid, kBatchesPerDelete));
          return absl::OkStatus();
        },
        kBatchesPerDelete << 16));
  }
  return absl::OkStatus();
}

}  // namespace skytrain
