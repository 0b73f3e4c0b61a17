#include "server/jobs/job_codec.h"

#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

absl::Status Unreadable(const JobRow& row, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                         absl::StrCat("job ", row.id, " (", row.uid, "): its ", what,
                                      " in the database cannot be read"));
}

std::pair<std::string, std::string> ToRowKey(const v1::Job& job) {
  return {job.name().substr(job.name().find('/') + 1), job.owner()};
}

void ClearSpec(v1::Job& job) { job.clear_spec(); }

}  // namespace

JobRow ToSnapshotRow(const v1::Job& job) {
  v1::Job snapshot = job;
  ClearSpec(snapshot);
  snapshot.clear_attempts();
  JobRow row;
  row.uid = job.uid();
  row.state = job.state();
  row.last_seq = job.last_seq();
  row.snapshot = snapshot.SerializeAsString();
  return row;
}

JobRow ToRow(const v1::Job& job) {
  JobRow row = ToSnapshotRow(job);
  std::tie(row.id, row.owner) = ToRowKey(job);
  v1::Job spec;
  if (job.has_experiment()) *spec.mutable_experiment() = job.experiment();
  if (job.has_evaluation()) *spec.mutable_evaluation() = job.evaluation();
  row.spec = spec.SerializeAsString();
  return row;
}

absl::StatusOr<v1::Job> FromRow(const JobRow& row) {
  v1::Job job;
  if (row.damaged) return Unreadable(row, "row");
  if (!job.ParseFromString(row.snapshot)) return Unreadable(row, "snapshot");
  // The columns that are looked up by: a flipped bit there must not give the job to somebody else.
  if (ToRowKey(job) != std::pair(row.id, row.owner)) return Unreadable(row, "row");
  if (!job.MergeFromString(row.spec) || job.spec_case() == v1::Job::SPEC_NOT_SET) {
    return Unreadable(row, "spec");
  }
  return job;
}

absl::StatusOr<JobRecord> LoadJob(Connection& connection, const JobRow& row) {
  JobRecord record;
  ASSIGN_OR_RETURN(record.job, FromRow(row));
  ASSIGN_OR_RETURN(const std::vector<AttemptRow> attempts, ListAttempts(connection, row.uid));
  for (const AttemptRow& attempt : attempts) {
    if (attempt.damaged || !record.job.add_attempts()->ParseFromString(attempt.attempt) ||
        !record.rank_result.ParseFromString(attempt.rank_result)) {
      return Unreadable(row, "attempts");
    }
  }
  return record;
}

}  // namespace skytrain
