#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/collectable.h"

namespace skytrain {

// What is asked of the daemon when somebody scrapes.
struct NodeFacts {
  int64_t queued_jobs = 0;
  int64_t running_jobs = 0;
  int64_t stored_events = 0;  // Since the start.
  int64_t stored_event_bytes = 0;
  int64_t training_steps = 0;    // Of all jobs, since the start.
  int64_t read_spool_bytes = 0;  // Since the start.
  int64_t spool_backlog_bytes = 0;
  std::vector<int64_t> stream_lags;  // In events, of each live stream, ascending.
  int64_t disk_total_bytes = 0;
  int64_t disk_free_bytes = 0;
  bool disk_full = false;
};

// Those facts, the process's own and the build, as metrics. Thread-safe when `ask` is.
class NodeMetrics final : public prometheus::Collectable {
 public:
  // `ask` is called on the endpoint's threads, once a scrape.
  NodeMetrics(std::string version, std::string build, std::function<NodeFacts()> ask)
      : version_(std::move(version)), build_(std::move(build)), ask_(std::move(ask)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string version_;
  const std::string build_;
  const std::function<NodeFacts()> ask_;
};

}  // namespace skytrain
