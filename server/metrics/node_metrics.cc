#include "server/metrics/node_metrics.h"

#include <cmath>
#include <iterator>
#include <utility>

#include "prometheus/metric_family.h"
#include "server/metrics/process_facts.h"

namespace skytrain {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Sample {
  std::vector<ClientMetric::Label> labels;
  double value = 0;
};

MetricFamily Family(const char* name, const char* help, MetricType type,
                    const std::vector<Sample>& samples) {
  MetricFamily family{name, help, type, {}};
  for (const Sample& sample : samples) {
    ClientMetric& metric = family.metric.emplace_back();
    metric.label = sample.labels;
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = sample.value;
  }
  return family;
}

MetricFamily Gauge(const char* name, const char* help, double value) {
  return Family(name, help, MetricType::Gauge, {{{}, value}});
}

MetricFamily Counter(const char* name, const char* help, double value) {
  return Family(name, help, MetricType::Counter, {{{}, value}});
}

double Number(int64_t value) { return static_cast<double>(value); }

// A bounded number of series, however many streams there are.
std::vector<Sample> Quantiles(const std::vector<int64_t>& ascending) {
  std::vector<Sample> samples;
  for (const auto& [label, quantile] :
       {std::pair("0.5", 0.5), std::pair("0.9", 0.9), std::pair("1", 1.0)}) {
    double value = 0;
    if (!ascending.empty()) {
      const double rank = std::ceil(quantile * Number(std::ssize(ascending)));
      value = Number(ascending[static_cast<size_t>(rank) - 1]);
    }
    samples.push_back({{{"quantile", label}}, value});
  }
  return samples;
}

}  // namespace

std::vector<MetricFamily> NodeMetrics::Collect() const {
  const NodeFacts facts = ask_();
  const ProcessFacts process = ReadProcessFacts();
  return {
      Family("skytrain_build_info", "What runs", MetricType::Gauge,
             {{{{"version", version_}, {"build", build_}}, 1}}),
      Family("skytrain_jobs", "Jobs that are not over, by what they do", MetricType::Gauge,
             {{{{"state", "queued"}}, Number(facts.queued_jobs)},
              {{{"state", "running"}}, Number(facts.running_jobs)}}),
      Counter("skytrain_events_stored_total", "Events of running jobs that were stored",
              Number(facts.stored_events)),
      Counter("skytrain_events_stored_bytes_total", "Their size", Number(facts.stored_event_bytes)),
      Counter("skytrain_training_steps_total",
              "Optimizer steps of all jobs, those done again after a resume too",
              Number(facts.training_steps)),
      Counter("skytrain_spool_read_bytes_total", "What was read of the spools of running attempts",
              Number(facts.read_spool_bytes)),
      Gauge("skytrain_spool_backlog_bytes",
            "What running attempts have written to their spools and is not stored yet",
            Number(facts.spool_backlog_bytes)),
      Family("skytrain_stream_lag_events",
             "Events that live streams have still to send; of the slowest: quantile 1",
             MetricType::Gauge, Quantiles(facts.stream_lags)),
      Gauge("skytrain_state_disk_size_bytes", "Size of the file system with the state folder",
            Number(facts.disk_total_bytes)),
      Gauge("skytrain_state_disk_free_bytes", "What the daemon may still use of it",
            Number(facts.disk_free_bytes)),
      Gauge("skytrain_state_disk_full", "1: new jobs are refused for want of space",
            facts.disk_full ? 1 : 0),
      Gauge("process_resident_memory_bytes", "Resident memory of the daemon",
            Number(process.resident_bytes)),
      Counter("process_cpu_seconds_total", "CPU time of the daemon", process.cpu_seconds),
  };
}

}  // namespace skytrain
