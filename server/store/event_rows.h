#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"

namespace skytrain {

// Rows of `event_batches` and `spool_offsets`.

struct BatchRow {
  int64_t first_seq = 0;
  int64_t count = 0;
  uint32_t crc32c = 0;  // Masked, of `events`.
  std::string events;
};

absl::Status InsertBatch(Connection& connection, absl::string_view job_uid, int64_t first_seq,
                         int64_t count, uint32_t crc32c, absl::string_view events);
// The batch with the greatest first_seq that is not above `seq`.
absl::StatusOr<std::optional<BatchRow>> FindBatch(Connection& connection, absl::string_view job_uid,
                                                  int64_t seq);
// Removes up to `limit` batches; how many it removed.
absl::StatusOr<int64_t> DeleteBatches(Connection& connection, absl::string_view job_uid,
                                      int64_t limit);
// Removes up to `limit` batches all of whose events lie below `seq`; how many it removed.
absl::StatusOr<int64_t> DeleteBatchesBelow(Connection& connection, absl::string_view job_uid,
                                           int64_t seq, int64_t limit);
// The first seq of the newest batch; 0: there is none.
absl::StatusOr<int64_t> NewestBatch(Connection& connection, absl::string_view job_uid);
// Of the events of the batches all of whose events lie below `seq`.
absl::StatusOr<int64_t> EventBytesBelow(Connection& connection, absl::string_view job_uid,
                                        int64_t seq);
// Where retention has cut a job's events off: those below are removed. 1: nothing was.
absl::StatusOr<int64_t> FirstAvailableSeq(Connection& connection, absl::string_view job_uid);
absl::Status SetFirstAvailableSeq(Connection& connection, absl::string_view job_uid, int64_t seq);
// Uids that have batches but no job: what a delete that was cut short left.
absl::StatusOr<std::vector<std::string>> UidsWithoutJob(Connection& connection);

absl::Status PutSpoolOffset(Connection& connection, absl::string_view job_uid, int attempt,
                            absl::string_view file, uint64_t offset);
struct SpoolOffset {
  std::string file;
  uint64_t offset = 0;
  bool damaged = false;  // As read: the checksum is wrong, the offset cannot be trusted.
};
absl::StatusOr<std::vector<SpoolOffset>> SpoolOffsets(Connection& connection,
                                                      absl::string_view job_uid, int attempt);
// Forgets the offset of `file`, so that it counts as not read.
absl::Status DeleteSpoolOffset(Connection& connection, absl::string_view job_uid, int attempt,
                               absl::string_view file);

}  // namespace skytrain
