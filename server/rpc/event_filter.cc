#include "server/rpc/event_filter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace skytrain {

v1::EventKind KindOf(const v1::Event& event) {
  switch (event.kind_case()) {
    case v1::Event::kMetrics:
      return v1::METRICS;
    case v1::Event::kLog:
      return v1::LOG;
    case v1::Event::kState:
      return v1::STATE;
    case v1::Event::kCheckpoint:
      return v1::CHECKPOINT;
    case v1::Event::kGap:
      return v1::GAP;
    case v1::Event::kProgress:
      return v1::PROGRESS;
    case v1::Event::kReport:
      return v1::REPORT;
    case v1::Event::kModel:
      return v1::MODEL;
    case v1::Event::kData:
      return v1::DATA;
    case v1::Event::KIND_NOT_SET:
      break;
  }
  return v1::EVENT_KIND_UNSPECIFIED;
}

absl::StatusOr<std::string> FilterBatch(const EventBatch& batch, int64_t after_seq,
                                        const std::vector<v1::EventKind>& kinds) {
  v1::WatchEventsResponse response;
  if (!response.ParseFromString(batch.bytes)) {
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "EVENTS_CORRUPT",
        absl::StrCat("events ", batch.first_seq, " to ", batch.last_seq, " cannot be read"));
  }
  auto& events = *response.mutable_events();
  const auto unwanted = std::remove_if(events.begin(), events.end(), [&](const v1::Event& event) {
    if (event.seq() <= after_seq) return true;
    return !kinds.empty() && std::find(kinds.begin(), kinds.end(), KindOf(event)) == kinds.end();
  });
  events.erase(unwanted, events.end());
  if (events.empty()) return std::string();
  response.set_position(batch.last_seq);
  return response.SerializeAsString();
}

}  // namespace skytrain
