#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/events/event_log.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// Which points of a job are asked for.
struct MetricQuery {
  static constexpr int kMaxPoints = 10'000;

  std::string job_uid;
  int64_t last_seq = 0;            // Only events up to here.
  std::vector<std::string> names;  // Empty: all.
  int max_points = kMaxPoints;     // Of each curve.
  bool all_attempts = false;
  int64_t first_step = 0;
  int64_t last_step = 0;            // 0: to the end.
  std::map<int, int64_t> began_at;  // Attempts after the first, with the step they resumed from.

  // INVALID_ARGUMENT (BAD_RANGE).
  static absl::StatusOr<MetricQuery> Of(const v1::QueryMetricsRequest& request, const v1::Job& job);
};

// The curves, from the stored events. Memory goes with the answer, not with the number of points:
// the events are read two or three times. A curve longer than `max_points` is cut into equal
// stretches of steps; of each (and of each attempt, with `all_attempts`) the smallest and the
// largest finite value and the first value that is not finite are kept. An answer holds at most
// 200,000 points: with more than 20 long curves, each gets its share.
//
// Without `all_attempts`, points that a resume overtook are hidden: those beyond the step that a
// later attempt began from, provided that it measured anything; at that very step, when it measured
// there too.
//
// DATA_LOSS (EVENTS_CORRUPT), RESOURCE_EXHAUSTED (TOO_MANY_METRICS: more than 4096 names).
absl::StatusOr<v1::QueryMetricsResponse> QueryMetrics(EventLog& log, const MetricQuery& query);

}  // namespace skytrain
