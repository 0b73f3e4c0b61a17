#include "server/events/event_filter.h"

#include <algorithm>
#include <cmath>
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
    case v1::Event::kFiles:
      return v1::FILES;
    case v1::Event::KIND_NOT_SET:
      break;
  }
  return v1::EVENT_KIND_UNSPECIFIED;
}

namespace {

template <typename Item>
bool Contains(const std::vector<Item>& items, const Item& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

// Drops the points that are not wanted; false when none is left.
bool ThinOut(const EventFilter& filter, StrideState& state, v1::MetricBatch& batch) {
  const int size = batch.value_size();
  // Columns that do not fit are the worker's mistake, and shown as they are.
  if (batch.name_size() != size || batch.step_size() != size || batch.epoch_size() != size) {
    return true;
  }
  std::vector<bool> named;
  for (const std::string& name : batch.names()) {
    named.push_back(filter.metric_names.empty() || Contains(filter.metric_names, name));
  }
  int kept = 0;
  for (int i = 0; i < size; ++i) {
    const uint32_t name = batch.name(i);
    if (name >= named.size() || !named[name]) continue;
    if (filter.metric_stride > 0) {
      const int64_t stretch = batch.step(i) / filter.metric_stride;
      const auto [last, first_time] =
          state.try_emplace(batch.names(static_cast<int>(name)), stretch);
      const bool fresh = first_time || last->second != stretch;
      last->second = stretch;
      if (!fresh && std::isfinite(batch.value(i))) continue;
    }
    batch.set_name(kept, name);
    batch.set_step(kept, batch.step(i));
    batch.set_epoch(kept, batch.epoch(i));
    batch.set_value(kept, batch.value(i));
    ++kept;
  }
  batch.mutable_name()->Truncate(kept);
  batch.mutable_step()->Truncate(kept);
  batch.mutable_epoch()->Truncate(kept);
  batch.mutable_value()->Truncate(kept);
  return kept > 0;
}

}  // namespace

absl::StatusOr<EventFilter> EventFilter::Of(const v1::WatchEventsRequest& request) {
  if (request.metric_stride() < 0) {
    return BadRequestError("BAD_REQUEST", {{"metric_stride", "must not be negative"}});
  }
  EventFilter filter;
  for (const int kind : request.kinds()) filter.kinds.push_back(static_cast<v1::EventKind>(kind));
  filter.metric_names.assign(request.metric_names().begin(), request.metric_names().end());
  filter.metric_stride = request.metric_stride();
  std::sort(filter.kinds.begin(), filter.kinds.end());
  std::sort(filter.metric_names.begin(), filter.metric_names.end());
  return filter;
}

bool EventFilter::passes_all() const {
  return kinds.empty() && metric_names.empty() && metric_stride == 0;
}

std::string EventFilter::Key() const {
  std::string key = absl::StrCat(metric_stride, ";");
  for (const v1::EventKind kind : kinds) absl::StrAppend(&key, static_cast<int>(kind), ",");
  for (const std::string& name : metric_names) absl::StrAppend(&key, ";", name.size(), ":", name);
  return key;
}

absl::StatusOr<FilteredBatch> FilterBatch(const EventBatch& batch, int64_t after_seq,
                                          const EventFilter& filter,
                                          const StrideState& stride_state) {
  v1::WatchEventsResponse response;
  if (!response.ParseFromString(batch.bytes)) {
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "EVENTS_CORRUPT",
        absl::StrCat("events ", batch.first_seq, " to ", batch.last_seq, " cannot be read"));
  }
  FilteredBatch filtered;
  filtered.stride_state = stride_state;
  const bool thin = filter.metric_stride > 0 || !filter.metric_names.empty();
  auto& events = *response.mutable_events();
  const auto unwanted = std::remove_if(events.begin(), events.end(), [&](v1::Event& event) {
    if (event.seq() <= after_seq) return true;
    if (!filter.kinds.empty() && !Contains(filter.kinds, KindOf(event))) return true;
    return thin && event.has_metrics() &&
           !ThinOut(filter, filtered.stride_state, *event.mutable_metrics());
  });
  events.erase(unwanted, events.end());
  if (events.empty()) return filtered;
  response.set_position(batch.last_seq);
  filtered.bytes = response.SerializeAsString();
  return filtered;
}

}  // namespace skytrain
