#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/events/recent_batches.h"
#include "server/store/database.h"

namespace skytrain {

// The readers' side of the committed events. Thread-safe.
class EventLog {
 public:
  // `database` must outlive this, and so must `recent`; null: every read goes to the database.
  explicit EventLog(Database& database, RecentBatches* recent = nullptr)
      : database_(database), recent_(recent) {}

  // The batch that holds seq `after_seq` + 1 (its first events may lie before it), or null at the
  // present end. Holds no database lock when it returns. DATA_LOSS (EVENTS_CORRUPT), naming the
  // batch, when the row fails its checksum or is missing; OUT_OF_RANGE (EVENTS_REMOVED) when
  // retention has removed it.
  absl::StatusOr<std::shared_ptr<const EventBatch>> Read(absl::string_view job_uid,
                                                         int64_t after_seq);

  // The oldest event that retention has left. 1: all are there.
  absl::StatusOr<int64_t> FirstAvailable(absl::string_view job_uid);

 private:
  Database& database_;
  RecentBatches* const recent_;
};

}  // namespace skytrain
