#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "server/events/lru_cache.h"

namespace skytrain {

// Some consecutive events of a job, exactly as stored: `bytes` is a serialized
// v1.WatchEventsResponse whose `events` carry seq and attempt (no position). Encoded once, shared
// by all subscribers. At most about 64 KiB, or one larger event.
struct EventBatch {
  int64_t first_seq = 0;
  int64_t last_seq = 0;
  std::string bytes;
};

// The committed batches that were written or read last, so that subscribers who follow, or who
// replay one job at the same time, share one copy and do not ask the database. Thread-safe.
class RecentBatches {
 public:
  static constexpr int64_t kMaxBytes = 16 << 20;

  void Put(absl::string_view job_uid, std::shared_ptr<const EventBatch> batch)
      ABSL_LOCKS_EXCLUDED(mu_);
  // The batch that holds `seq`, or null when it is not here.
  std::shared_ptr<const EventBatch> Find(absl::string_view job_uid, int64_t seq)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Since the start: how many batches were put here, how often Find had the batch, and how often it
  // had not.
  struct Counts {
    int64_t puts = 0;
    int64_t hits = 0;
    int64_t misses = 0;
  };
  Counts counts() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Kept {
    std::string job_uid;
    std::shared_ptr<const EventBatch> batch;
  };
  Mutex mu_;
  // By job and first seq.
  LruCache<std::pair<std::string, int64_t>, Kept> batches_ ABSL_GUARDED_BY(mu_){kMaxBytes};
  Counts counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
