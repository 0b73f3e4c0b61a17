#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/render/terminal.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

struct MetricPoint {
  int64_t step;
  uint32_t epoch;
  int attempt;
  double value;
};

// The metrics of a job, by name.
class Curves {
 public:
  void Apply(const v1::Event& event);
  // Where each attempt began, from Job.attempts.
  void SetAttempts(const v1::Job& job);

  std::vector<std::string> Names() const;

  // The points of `name`, by step. Without `all_attempts`, those that a resume overtook are hidden:
  // beyond the step that a later attempt began from, the later one's points count, once it has
  // any. At that very step they count when it measured there too.
  std::vector<MetricPoint> Points(const std::string& name, bool all_attempts) const;

 private:
  std::map<std::string, std::vector<MetricPoint>> points_;
  std::map<int, int64_t> began_at_;  // Of attempts after the first.
  std::set<int> measured_;           // Attempts with points.
};

// By step, then by attempt.
void SortBySteps(std::vector<MetricPoint>& points);

using SelectedCurves = std::map<std::string, std::vector<MetricPoint>>;

// One line an epoch, one column a metric (its last value in that epoch).
std::string EpochTable(const SelectedCurves& curves, const Terminal& terminal);
// "name,step,epoch,attempt,value", one line a point.
std::string MetricsCsv(const SelectedCurves& curves);
// One JSON object a line with the same keys.
std::string MetricsJsonLines(const SelectedCurves& curves);
// {"metrics": [those objects]}.
std::string MetricsJson(const SelectedCurves& curves);
// Over epochs, or over steps where an epoch has several points.
std::string MetricPlot(const std::vector<MetricPoint>& points, const Terminal& terminal);

}  // namespace skytrain::client
