#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/jobs/job_journal.h"
#include "server/store/job_rows.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// Between v1.Job and its rows: the spec apart, the attempts apart, the rest as `snapshot`.
JobRow ToRow(const v1::Job& job);
// Only what changes with every event: the row without its spec.
JobRow ToSnapshotRow(const v1::Job& job);
// Without attempts. DATA_LOSS (STORE_CORRUPT) naming the job.
absl::StatusOr<v1::Job> FromRow(const JobRow& row);
// The whole job. NOT_FOUND (JOB_NOT_FOUND).
absl::StatusOr<JobRecord> LoadJob(Connection& connection, const JobRow& row);

}  // namespace skytrain
