#pragma once

#include "absl/time/time.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace skytrain {

// How long the database's commits take. Thread-safe.
class CommitMetrics {
 public:
  explicit CommitMetrics(prometheus::Registry& registry)
      : durations_(prometheus::BuildHistogram()
                       .Name("skytrain_database_commit_seconds")
                       .Help("Group commits of the database, with their sync")
                       .Register(registry)
                       .Add({}, prometheus::Histogram::BucketBoundaries{
                                    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                    1, 2.5, 10})) {}

  void Add(absl::Duration took) { durations_.Observe(absl::ToDoubleSeconds(took)); }

 private:
  prometheus::Histogram& durations_;
};

}  // namespace skytrain
