#include "server/events/event_log.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/store/event_rows.h"

namespace skytrain {
namespace {

absl::Status EventsCorrupt(absl::string_view job_uid, int64_t seq, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "EVENTS_CORRUPT",
                         absl::StrCat("the events of job ", job_uid, " from ", seq, " on ", what));
}

absl::Status EventsRemoved(absl::string_view job_uid, int64_t first_available) {
  return ErrorWithReason(absl::StatusCode::kOutOfRange, "EVENTS_REMOVED",
                         absl::StrCat("the events of job ", job_uid, " before ", first_available,
                                      " were removed: they are older than retention.logs"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const EventBatch>> EventLog::Read(absl::string_view job_uid,
                                                                 int64_t after_seq) {
  if (recent_ != nullptr) {
    if (auto batch = recent_->Find(job_uid, after_seq + 1)) return batch;
  }
  std::optional<BatchRow> row;
  int64_t first_available = 1;
  const absl::Status read = database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, FindBatch(connection, job_uid, after_seq + 1));
    // What is there was not removed.
    if (row.has_value() && after_seq + 1 < row->first_seq + row->count) return absl::OkStatus();
    ASSIGN_OR_RETURN(first_available, FirstAvailableSeq(connection, job_uid));
    return absl::OkStatus();
  });
  if (absl::IsDataLoss(read)) {
    return EventsCorrupt(job_uid, after_seq + 1, absl::StrCat("cannot be read: ", read.message()));
  }
  RETURN_IF_ERROR(read);
  if (after_seq + 1 < first_available) return EventsRemoved(job_uid, first_available);
  if (!row.has_value()) {
    // No batch at or below a seq above 0: there are no events, or their beginning is missing.
    if (after_seq == 0) return nullptr;
    return EventsCorrupt(job_uid, first_available, "are missing");
  }
  if (row->crc32c != MaskCrc(Crc32c(row->events))) {
    return EventsCorrupt(job_uid, row->first_seq, "fail their checksum on disk");
  }
  const int64_t last_seq = row->first_seq + row->count - 1;
  if (last_seq < after_seq) {
    return EventsCorrupt(job_uid, last_seq + 1, "are missing");
  }
  if (last_seq == after_seq) return nullptr;
  auto batch = std::make_shared<EventBatch>();
  batch->first_seq = row->first_seq;
  batch->last_seq = last_seq;
  batch->bytes = std::move(row->events);
  if (recent_ != nullptr) recent_->Put(job_uid, batch);
  return batch;
}

absl::StatusOr<int64_t> EventLog::FirstAvailable(absl::string_view job_uid) {
  int64_t first_available = 1;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(first_available, FirstAvailableSeq(connection, job_uid));
    return absl::OkStatus();
  }));
  return first_available;
}

}  // namespace skytrain
