#include "server/skytraind_metrics.h"

#include <utility>

#include "common/status_macros.h"
#include "server/log.h"
#include "server/metrics/node_metrics.h"

namespace skytrain {

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> ServeMetrics(const Config& config,
                                                              const DaemonMetrics& metrics,
                                                              const StateDir& state,
                                                              Database& database, EventHub& hub,
                                                              JobManager& jobs) {
  if (config.metrics_listen.empty()) return nullptr;
  auto ask = [&state, &database, &hub, &jobs] {
    const JobManager::Counts counts = jobs.Count();
    const EventHub::Stored stored = hub.stored();
    const StateDir::Space space = state.DiskSpace();
    NodeFacts facts;
    facts.queued_jobs = counts.queued;
    facts.running_jobs = counts.running;
    facts.stored_events = stored.events;
    facts.stored_event_bytes = stored.bytes;
    facts.training_steps = stored.steps;
    facts.read_spool_bytes = stored.spool_bytes;
    facts.spool_backlog_bytes = counts.spool_backlog_bytes;
    facts.stream_lags = hub.lags().Events();
    facts.disk_total_bytes = space.total_bytes;
    facts.disk_free_bytes = space.free_bytes;
    facts.disk_full = database.IsFull();
    return facts;
  };
  const auto node = std::make_shared<NodeMetrics>(SKYTRAIN_VERSION, SKYTRAIN_BUILD, std::move(ask));
  ASSIGN_OR_RETURN(auto endpoint,
                   MetricsEndpoint::Start(config.metrics_listen, {metrics.registry, node}));
  LogInfo("metrics", {{"address", endpoint->address()}});
  return endpoint;
}

}  // namespace skytrain
