#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/spool/spool_queue.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// Where a run tells what happens. Called from one thread.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // May be lost under load; never waits.
  virtual void Metric(absl::string_view name, int64_t step, int epoch, double value) = 0;
  // Newest wins.
  virtual void Progress(const v1::Progress& progress) = 0;
  // Never lost. With `sync`, on the disk when it returns.
  virtual absl::Status Write(const v1::Event& event, bool sync) = 0;
};

// The real one: a rank's spool.
class SpoolSink final : public EventSink {
 public:
  explicit SpoolSink(SpoolQueue& queue) : queue_(queue) {}
  void Metric(absl::string_view name, int64_t step, int epoch, double value) override;
  void Progress(const v1::Progress& progress) override;
  absl::Status Write(const v1::Event& event, bool sync) override;

 private:
  SpoolQueue& queue_;
  absl::flat_hash_map<std::string, uint32_t> names_;
};

// For tests: keeps everything.
class RecordingSink : public EventSink {
 public:
  struct Point {
    int64_t step;
    int epoch;
    double value;
    bool operator==(const Point&) const = default;
  };
  void Metric(absl::string_view name, int64_t step, int epoch, double value) override;
  void Progress(const v1::Progress& progress) override { progress_.push_back(progress); }
  absl::Status Write(const v1::Event& event, bool sync) override;

  const std::map<std::string, std::vector<Point>>& metrics() const { return metrics_; }
  const std::vector<v1::Progress>& progress() const { return progress_; }
  const std::vector<v1::Event>& events() const { return events_; }

 private:
  std::map<std::string, std::vector<Point>> metrics_;
  std::vector<v1::Progress> progress_;
  std::vector<v1::Event> events_;
};

}  // namespace skytrain::training
