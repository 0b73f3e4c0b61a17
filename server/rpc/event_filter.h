#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/events/event_log.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

v1::EventKind KindOf(const v1::Event& event);

// The events of `batch` with seq > after_seq whose kind is among `kinds` (empty: all), as a
// serialized WatchEventsResponse whose position is the batch's last seq; an empty string when none
// is left. The slow way: decodes and encodes again. DATA_LOSS (EVENTS_CORRUPT).
absl::StatusOr<std::string> FilterBatch(const EventBatch& batch, int64_t after_seq,
                                        const std::vector<v1::EventKind>& kinds);

}  // namespace skytrain
