#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace skytrain {

// Counts calls by method ("JobService/CreateJob") and code ("OK"). Who calls it bounds the methods:
// each is a series for as long as the daemon runs. Thread-safe; about a microsecond a call.
class CallMetrics {
 public:
  explicit CallMetrics(prometheus::Registry& registry);

  void Begin(absl::string_view method);
  void End(absl::string_view method, absl::string_view code, absl::Duration took);

 private:
  prometheus::Family<prometheus::Gauge>& in_flight_;
  prometheus::Family<prometheus::Histogram>& durations_;
};

}  // namespace skytrain
