#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain {

// Some consecutive events of a job, exactly as stored: `bytes` is a serialized
// v1.WatchEventsResponse whose `events` carry seq and attempt (no position). Encoded once, shared
// by all subscribers. At most about 64 KiB.
struct EventBatch {
  int64_t first_seq = 0;
  int64_t last_seq = 0;
  std::string bytes;
};

// The readers' side of the committed events. Thread-safe.
class EventLog {
 public:
  virtual ~EventLog() = default;
  // The batch that holds seq `after_seq` + 1 (its first events may lie before it), or null at the
  // present end. Copies the batch out and holds no database lock when it returns. DATA_LOSS
  // (EVENTS_CORRUPT) when the row fails its checksum.
  virtual absl::StatusOr<std::shared_ptr<const EventBatch>> Read(absl::string_view job_uid,
                                                                 int64_t after_seq) = 0;
};

// Tells subscribers that a job has new committed events. It carries no data: a subscriber that is
// told reads the log from where it stands, so a slow one costs nothing. Thread-safe. Callbacks run
// on the publishing thread: short, non-blocking.
class EventHub {
 public:
  virtual ~EventHub() = default;
  using Callback = std::function<void(int64_t last_seq, bool terminal)>;
  // Never calls back before it has returned. Unsubscribe when the handle dies; the destructor waits
  // for a running callback.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  virtual std::unique_ptr<Subscription> Subscribe(absl::string_view job_uid, Callback callback) = 0;
};

}  // namespace skytrain
