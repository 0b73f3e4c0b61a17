#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/events/recent_batches.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// What a subscriber wants to see.
struct EventFilter {
  std::vector<v1::EventKind> kinds;       // Empty: all.
  std::vector<std::string> metric_names;  // Empty: all.
  int64_t metric_stride = 0;              // 0: every point.

  // INVALID_ARGUMENT (BAD_REQUEST) for a negative stride.
  static absl::StatusOr<EventFilter> Of(const v1::WatchEventsRequest& request);
  // True when it lets everything through.
  bool passes_all() const;
  // Equal for filters that let the same through.
  std::string Key() const;
};

// For each metric the stretch of `metric_stride` steps that its last point lay in: of a stretch,
// only the first point is let through. A subscriber that begins in the middle begins with none.
using StrideState = std::map<std::string, int64_t>;

// Part of a batch as one subscriber sees it.
struct FilteredBatch {
  std::string bytes;  // A serialized WatchEventsResponse with a position; empty: nothing is left.
  StrideState stride_state;  // After it.
};

v1::EventKind KindOf(const v1::Event& event);

// The events of `batch` with seq > after_seq that `filter` lets through; the position is the
// batch's last seq. The slow way: decodes and encodes again. DATA_LOSS (EVENTS_CORRUPT).
absl::StatusOr<FilteredBatch> FilterBatch(const EventBatch& batch, int64_t after_seq,
                                          const EventFilter& filter,
                                          const StrideState& stride_state);

}  // namespace skytrain
