#pragma once

#include <string>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace skytrain {

// How telling hooks goes. Thread-safe.
class HookMetrics {
 public:
  explicit HookMetrics(prometheus::Registry& registry)
      : deliveries_(prometheus::BuildCounter()
                        .Name("skytrain_hook_deliveries_total")
                        .Help("Tries of deliveries to hooks, and deliveries given up or dropped")
                        .Register(registry)),
        pending_(prometheus::BuildGauge()
                     .Name("skytrain_hook_pending")
                     .Help("Deliveries that wait")
                     .Register(registry)) {}

  // `result`: "delivered", "failed", "given_up", "dropped".
  void Count(const std::string& hook, const std::string& result) {
    deliveries_.Add({{"hook", hook}, {"result", result}}).Increment();
  }
  void SetPending(const std::string& hook, double deliveries) {
    pending_.Add({{"hook", hook}}).Set(deliveries);
  }

 private:
  prometheus::Family<prometheus::Counter>& deliveries_;
  prometheus::Family<prometheus::Gauge>& pending_;
};

}  // namespace skytrain
