#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/database.h"

namespace skytrain {

// Some consecutive events of a job, exactly as stored: `bytes` is a serialized
// v1.WatchEventsResponse whose `events` carry seq and attempt (no position). Encoded once, shared
// by all subscribers. At most about 64 KiB, or one larger event.
struct EventBatch {
  int64_t first_seq = 0;
  int64_t last_seq = 0;
  std::string bytes;
};

// The readers' side of the committed events. Thread-safe.
class EventLog {
 public:
  // `database` must outlive this.
  explicit EventLog(Database& database) : database_(database) {}

  // The batch that holds seq `after_seq` + 1 (its first events may lie before it), or null at the
  // present end. Copies the batch out and holds no database lock when it returns. DATA_LOSS
  // (EVENTS_CORRUPT) when the row fails its checksum or is missing.
  absl::StatusOr<std::shared_ptr<const EventBatch>> Read(absl::string_view job_uid,
                                                         int64_t after_seq);

 private:
  Database& database_;
};

}  // namespace skytrain
