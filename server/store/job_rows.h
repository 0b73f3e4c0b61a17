#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"

namespace skytrain {

// Rows of `jobs`, `job_specs`, `attempts` and `requests`. Blobs are serialized protos; what is in
// them is the business of server/jobs.

struct JobRow {
  std::string uid;
  std::string id;
  std::string owner;
  int state = 0;
  int64_t last_seq = 0;
  std::string snapshot;
  std::string spec;
  bool damaged = false;  // As read: a checksum is wrong, nothing in the row can be trusted.
};

struct AttemptRow {
  int number = 0;
  std::string attempt;
  std::string rank_result;
  bool damaged = false;  // As in JobRow.
};

struct RequestRow {
  std::string payload;
  std::string job_uid;
};

// ALREADY_EXISTS when id or uid are taken.
absl::Status InsertJob(Connection& connection, const JobRow& row);
// Floating point operations of one forward pass of the job's model; 0: unknown.
absl::Status SetFlopsPerSample(Connection& connection, absl::string_view uid, double flops);
absl::StatusOr<double> FlopsPerSample(Connection& connection, absl::string_view uid);
// State, last_seq and snapshot of the job `row.uid`; the rest never changes. NOT_FOUND.
absl::Status UpdateJob(Connection& connection, const JobRow& row);
absl::StatusOr<std::optional<JobRow>> FindJobById(Connection& connection, absl::string_view id);
absl::StatusOr<std::optional<JobRow>> FindJobByUid(Connection& connection, absl::string_view uid);

struct JobPage {
  std::string owner;               // Empty: of all.
  std::string before_uid;          // Only older ones; empty: from the newest on.
  uint64_t states = ~uint64_t{0};  // Bit n: state n.
  int limit = 50;
};
// Newest first.
absl::StatusOr<std::vector<JobRow>> ListJobs(Connection& connection, const JobPage& page);
// The `limit` oldest jobs in `states` (bit n: state n) that are younger than `after_uid`, oldest
// first.
absl::StatusOr<std::vector<JobRow>> JobsInStates(Connection& connection, uint64_t states,
                                                 absl::string_view after_uid, int limit);
// Jobs in no state of `states` (bit n: state n) whose rows fail their checksum: the state too may
// be what is wrong. Looks at every row, but builds only what it returns.
absl::StatusOr<std::vector<JobRow>> DamagedJobsOutside(Connection& connection, uint64_t states);
// The job with its spec and attempts; not its events (they go in portions: DeleteBatches).
absl::Status DeleteJob(Connection& connection, absl::string_view uid);

// Inserts or replaces.
absl::Status PutAttempt(Connection& connection, absl::string_view job_uid, const AttemptRow& row);
absl::StatusOr<std::vector<AttemptRow>> ListAttempts(Connection& connection,
                                                     absl::string_view job_uid);

// DATA_LOSS (STORE_CORRUPT) when its checksum is wrong.
absl::StatusOr<std::optional<RequestRow>> FindRequest(Connection& connection,
                                                      absl::string_view owner,
                                                      absl::string_view request_id);
absl::Status InsertRequest(Connection& connection, absl::string_view owner,
                           absl::string_view request_id, const RequestRow& row);

}  // namespace skytrain
