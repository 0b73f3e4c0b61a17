#include "server/training/loop/event_sink.h"

namespace skytrain::training {

void SpoolSink::Metric(absl::string_view name, int64_t step, int epoch, double value) {
  auto found = names_.find(name);
  if (found == names_.end()) {
    found = names_.emplace(std::string(name), queue_.NameIndex(name)).first;
  }
  queue_.PushMetric(found->second, step, static_cast<uint32_t>(epoch), value);
}

void SpoolSink::Progress(const v1::Progress& progress) { queue_.PushProgress(progress); }

absl::Status SpoolSink::Write(const v1::Event& event, bool sync) {
  return queue_.WriteEvent(event, sync);
}

void RecordingSink::Metric(absl::string_view name, int64_t step, int epoch, double value) {
  metrics_[std::string(name)].push_back({step, epoch, value});
}

absl::Status RecordingSink::Write(const v1::Event& event, bool /*sync*/) {
  events_.push_back(event);
  return absl::OkStatus();
}

}  // namespace skytrain::training
