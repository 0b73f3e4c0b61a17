#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "prometheus/registry.h"
#include "server/config/config.h"
#include "server/events/event_hub.h"
#include "server/jobs/job_manager.h"
#include "server/metrics/call_metrics.h"
#include "server/metrics/commit_metrics.h"
#include "server/metrics/endpoint.h"
#include "server/metrics/hook_metrics.h"
#include "server/store/database.h"
#include "server/store/state_dir.h"

namespace skytrain {

// What is counted where it happens.
struct DaemonMetrics {
  const std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  CallMetrics calls{*registry};
  CommitMetrics commits{*registry};
  HookMetrics hooks{*registry};
};

// Serves `metrics` and what is asked of the others at each scrape, all of which must outlive the
// endpoint. Null when the configuration has no metrics_listen.
absl::StatusOr<std::unique_ptr<MetricsEndpoint>> ServeMetrics(const Config& config,
                                                              const DaemonMetrics& metrics,
                                                              const StateDir& state,
                                                              Database& database, EventHub& hub,
                                                              JobManager& jobs);

}  // namespace skytrain
