#include "server/events/metric_query.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr size_t kMaxCurves = 4096;
constexpr int64_t kMaxPointsInAll = 200'000;  // Below 4 MiB, the size of a message.

struct Point {
  int attempt;
  int64_t step;
  uint32_t epoch;
  double value;
};

// What the passes before the last one learn about a curve.
struct Shape {
  // Attempts that measured it at the very step that they began from.
  std::set<int> measured_at_start;
  // Of the points that are shown.
  int64_t points = 0;
  int64_t non_finite = 0;
  int64_t first_step = std::numeric_limits<int64_t>::max();
  int64_t last_step = std::numeric_limits<int64_t>::min();
  std::set<int> attempts;
  int newest_attempt = 0;

  void Add(const Point& point) {
    ++points;
    if (!std::isfinite(point.value)) ++non_finite;
    first_step = std::min(first_step, point.step);
    last_step = std::max(last_step, point.step);
    if (point.attempt == newest_attempt) return;
    newest_attempt = point.attempt;
    attempts.insert(point.attempt);
  }
};

// What is kept of one stretch of a long curve.
struct Stretch {
  std::optional<Point> smallest, largest, non_finite;

  void Add(const Point& point) {
    if (!std::isfinite(point.value)) {
      if (!non_finite.has_value()) non_finite = point;
      return;
    }
    if (!smallest.has_value() || point.value < smallest->value) smallest = point;
    if (!largest.has_value() || point.value > largest->value) largest = point;
  }

  void AppendTo(std::vector<Point>& points) const {
    if (smallest.has_value()) points.push_back(*smallest);
    if (largest.has_value() && largest->value != smallest->value) points.push_back(*largest);
    if (non_finite.has_value()) points.push_back(*non_finite);
  }
};

// A curve in the last pass.
class CurveBuilder {
 public:
  CurveBuilder(const Shape& shape, int64_t max_points, bool by_attempt)
      : shape_(shape), by_attempt_(by_attempt) {
    if (shape.points <= max_points) return;
    const int64_t of_a_stretch = shape.non_finite > 0 ? 3 : 2;
    const int64_t attempts = by_attempt ? static_cast<int64_t>(shape.attempts.size()) : 1;
    stretches_ = std::max<int64_t>(1, max_points / (of_a_stretch * attempts));
  }

  void Add(const Point& point) {
    if (stretches_ == 0) return points_.push_back(point);
    const std::pair<int, int64_t> key(by_attempt_ ? point.attempt : 0, StretchOf(point.step));
    // Points come in order of steps, so most lie in the stretch of the one before.
    if (current_ == nullptr || key != current_key_) {
      current_ = &kept_[key];
      current_key_ = key;
    }
    current_->Add(point);
  }

  void WriteTo(v1::MetricCurve& curve) {
    for (const auto& [key, stretch] : kept_) stretch.AppendTo(points_);
    std::stable_sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
      return std::tie(a.attempt, a.step) < std::tie(b.attempt, b.step);
    });
    for (const Point& point : points_) {
      curve.add_attempt(point.attempt);
      curve.add_step(point.step);
      curve.add_epoch(static_cast<int32_t>(point.epoch));
      curve.add_value(point.value);
    }
    curve.set_points(shape_.points);
  }

 private:
  // In double: the product of two int64 may not fit.
  int64_t StretchOf(int64_t step) const {
    const double width =
        static_cast<double>(shape_.last_step) - static_cast<double>(shape_.first_step) + 1;
    const double at = static_cast<double>(step) - static_cast<double>(shape_.first_step);
    return static_cast<int64_t>(at * static_cast<double>(stretches_) / width);
  }

  const Shape& shape_;
  const bool by_attempt_;
  int64_t stretches_ = 0;  // 0: every point is kept.
  std::vector<Point> points_;
  std::map<std::pair<int, int64_t>, Stretch> kept_;  // By attempt and stretch.
  std::pair<int, int64_t> current_key_;
  Stretch* current_ = nullptr;
};

class Query {
 public:
  Query(EventLog& log, const MetricQuery& query) : log_(log), query_(query) {}

  absl::StatusOr<v1::QueryMetricsResponse> Run() {
    ASSIGN_OR_RETURN(const int64_t first_available, log_.FirstAvailable(query_.job_uid));
    start_ = first_available - 1;
    if (!query_.all_attempts && !query_.began_at.empty()) {
      RETURN_IF_ERROR(ForEachPoint([this](size_t curve, const Point& point) {
        attempts_with_points_.insert(point.attempt);
        const auto began = query_.began_at.find(point.attempt);
        if (began != query_.began_at.end() && began->second == point.step) {
          shapes_[curve].measured_at_start.insert(point.attempt);
        }
      }));
    }
    RETURN_IF_ERROR(ForEachPoint([this](size_t curve, const Point& point) {
      if (IsShown(curve, point)) shapes_[curve].Add(point);
    }));
    return Collect();
  }

 private:
  using Visitor = absl::FunctionRef<void(size_t curve, const Point& point)>;

  absl::StatusOr<v1::QueryMetricsResponse> Collect() {
    int64_t most = query_.max_points;
    if (!shapes_.empty()) {
      most = std::min(most, kMaxPointsInAll / static_cast<int64_t>(shapes_.size()));
    }
    std::vector<CurveBuilder> builders;
    builders.reserve(shapes_.size());
    for (const Shape& shape : shapes_) builders.emplace_back(shape, most, query_.all_attempts);
    RETURN_IF_ERROR(ForEachPoint([&](size_t curve, const Point& point) {
      if (IsShown(curve, point)) builders[curve].Add(point);
    }));
    v1::QueryMetricsResponse response;
    response.set_last_seq(query_.last_seq);
    for (const auto& [name, curve] : curves_) {
      if (shapes_[curve].points == 0) continue;
      v1::MetricCurve& written = *response.add_curves();
      written.set_metric(name);
      builders[curve].WriteTo(written);
    }
    return response;
  }

  bool IsShown(size_t curve, const Point& point) const {
    if (query_.all_attempts) return true;
    for (auto later = query_.began_at.upper_bound(point.attempt); later != query_.began_at.end();
         ++later) {
      const auto& [attempt, began] = *later;
      if (point.step < began || !attempts_with_points_.contains(attempt)) continue;
      if (point.step > began || shapes_[curve].measured_at_start.contains(attempt)) return false;
    }
    return true;
  }

  // Every point that was asked for, in the order of events, overtaken ones too.
  absl::Status ForEachPoint(Visitor visit) {
    v1::WatchEventsResponse events;
    for (int64_t position = start_; position < query_.last_seq;) {
      ASSIGN_OR_RETURN(const auto batch, log_.Read(query_.job_uid, position));
      if (batch == nullptr) break;  // Deleted meanwhile.
      position = batch->last_seq;
      if (!events.ParseFromString(batch->bytes)) {
        return ErrorWithReason(
            absl::StatusCode::kDataLoss, "EVENTS_CORRUPT",
            absl::StrCat("events ", batch->first_seq, " to ", batch->last_seq, " cannot be read"));
      }
      for (const v1::Event& event : events.events()) {
        if (event.seq() <= query_.last_seq && event.has_metrics()) VisitPoints(event, visit);
      }
      if (curves_.size() > kMaxCurves) {
        return ErrorWithReason(absl::StatusCode::kResourceExhausted, "TOO_MANY_METRICS",
                               absl::StrCat("the job has more than ", kMaxCurves,
                                            " metrics: name those that you want"));
      }
    }
    return absl::OkStatus();
  }

  void VisitPoints(const v1::Event& event, Visitor visit) {
    const v1::MetricBatch& batch = event.metrics();
    const int size = batch.value_size();
    if (batch.name_size() != size || batch.step_size() != size || batch.epoch_size() != size) {
      return;
    }
    names_.clear();
    for (const std::string& name : batch.names()) names_.push_back(CurveOf(name));
    for (int i = 0; i < size; ++i) {
      const uint32_t name = batch.name(i);
      const int64_t step = batch.step(i);
      if (name >= names_.size() || names_[name] == kNotWanted) continue;
      if (step < query_.first_step || (query_.last_step > 0 && step > query_.last_step)) continue;
      visit(names_[name], {event.attempt(), step, batch.epoch(i), batch.value(i)});
    }
  }

  size_t CurveOf(const std::string& name) {
    if (!query_.names.empty() &&
        std::find(query_.names.begin(), query_.names.end(), name) == query_.names.end()) {
      return kNotWanted;
    }
    const auto [curve, added] = curves_.try_emplace(name, shapes_.size());
    if (added) shapes_.emplace_back();
    return curve->second;
  }

  static constexpr size_t kNotWanted = std::numeric_limits<size_t>::max();

  EventLog& log_;
  const MetricQuery& query_;
  int64_t start_ = 0;
  std::set<int> attempts_with_points_;
  std::map<std::string, size_t> curves_;  // By name: index into shapes_.
  std::vector<Shape> shapes_;
  std::vector<size_t> names_;  // Of the event that is being visited: index into shapes_.
};

}  // namespace

absl::StatusOr<MetricQuery> MetricQuery::Of(const v1::QueryMetricsRequest& request,
                                            const v1::Job& job) {
  const auto bad = [](absl::string_view field, absl::string_view what) {
    return BadRequestError("BAD_RANGE", {{std::string(field), std::string(what)}});
  };
  if (request.max_points() < 0) return bad("max_points", "must not be negative");
  if (request.first_step() < 0) return bad("first_step", "must not be negative");
  if (request.last_step() != 0 && request.last_step() < request.first_step()) {
    return bad("last_step", "must not be below first_step");
  }
  MetricQuery query;
  query.job_uid = job.uid();
  query.last_seq = job.last_seq();
  query.names.assign(request.names().begin(), request.names().end());
  if (request.max_points() > 0) query.max_points = std::min(request.max_points(), kMaxPoints);
  query.all_attempts = request.all_attempts();
  query.first_step = request.first_step();
  query.last_step = request.last_step();
  for (int i = 1; i < job.attempts_size(); ++i) {
    query.began_at[job.attempts(i).number()] = job.attempts(i).resumed_from_step();
  }
  return query;
}

absl::StatusOr<v1::QueryMetricsResponse> QueryMetrics(EventLog& log, const MetricQuery& query) {
  return Query(log, query).Run();
}

}  // namespace skytrain
