#include "server/jobs/job_recovery.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/jobs/job_codec.h"
#include "server/jobs/job_lookup.h"
#include "server/jobs/job_state.h"
#include "server/store/event_rows.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

constexpr int64_t kBatchesPerDelete = 16;  // About 1 MiB.

void FinishDeletes(const AttemptEnvironment& environment) {
  std::vector<std::string> uids;
  absl::Status status = environment.database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(uids, UidsWithoutJob(connection));
    return absl::OkStatus();
  });
  for (const std::string& uid : uids) status.Update(DeleteEvents(environment.database, uid));
  if (!status.ok()) environment.Log(absl::StrCat("deleting old events: ", status.message()));
}

}  // namespace

absl::Status RecoverJobs(const AttemptEnvironment& environment, JobDispatcher& dispatcher) {
  std::vector<std::string> uids;
  RETURN_IF_ERROR(environment.database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(uids, UidsInStates(connection, LiveStates()));
    return absl::OkStatus();
  }));
  for (const std::string& uid : uids) {
    std::optional<JobRecord> record;
    const absl::Status read =
        environment.database.Read([&](Connection& connection) -> absl::Status {
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
  FinishDeletes(environment);
  return absl::OkStatus();
}

absl::Status DeleteEvents(Database& database, const std::string& uid) {
  int64_t removed = kBatchesPerDelete;
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

}  // namespace skytrain
