#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "server/events/event_filter.h"
#include "server/events/lru_cache.h"

namespace skytrain {

// Batches as filtered subscribers see them, each encoded once for all that ask with the same filter
// and have seen the same before. Thread-safe.
class FilteredBatches {
 public:
  static constexpr int64_t kMaxBytes = 8 << 20;

  // FilterBatch over a whole batch (after_seq before its first event).
  absl::StatusOr<std::shared_ptr<const FilteredBatch>> Get(absl::string_view job_uid,
                                                           const EventBatch& batch,
                                                           const EventFilter& filter,
                                                           const StrideState& stride_state)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  LruCache<std::string, std::shared_ptr<const FilteredBatch>> batches_ ABSL_GUARDED_BY(mu_){
      kMaxBytes};
};

}  // namespace skytrain
