#include "server/metrics/call_metrics.h"

namespace skytrain {
namespace {

// From a read out of memory to a wait of minutes.
const prometheus::Histogram::BucketBoundaries& Seconds() {
  static const prometheus::Histogram::BucketBoundaries bounds{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600};
  return bounds;
}

}  // namespace

CallMetrics::CallMetrics(prometheus::Registry& registry)
    : in_flight_(prometheus::BuildGauge()
                     .Name("skytrain_rpc_in_flight")
                     .Help("Calls under way")
                     .Register(registry)),
      durations_(prometheus::BuildHistogram()
                     .Name("skytrain_rpc_duration_seconds")
                     .Help("Finished calls and how long they took")
                     .Register(registry)) {}

void CallMetrics::Begin(absl::string_view method) {
  in_flight_.Add({{"method", std::string(method)}}).Increment();
}

void CallMetrics::End(absl::string_view method, absl::string_view code, absl::Duration took) {
  in_flight_.Add({{"method", std::string(method)}}).Decrement();
  durations_.Add({{"method", std::string(method)}, {"code", std::string(code)}}, Seconds())
      .Observe(absl::ToDoubleSeconds(took));
}

}  // namespace skytrain
