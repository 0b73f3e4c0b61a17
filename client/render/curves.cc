#include "client/render/curves.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "client/render/plot.h"
#include "client/render/table.h"

namespace skytrain::client {
namespace {

constexpr int kPlotWidth = 72;
constexpr int kPlotHeight = 12;

void WritePoint(const std::string& name, const MetricPoint& point, JsonWriter& json) {
  json.BeginObject();
  json.Key("name");
  json.String(name);
  json.Key("step");
  json.Number(point.step);
  json.Key("epoch");
  json.Number(int64_t{point.epoch});
  json.Key("attempt");
  json.Number(int64_t{point.attempt});
  json.Key("value");
  json.Number(point.value);
  json.EndObject();
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string CsvNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return ShortestNumber(value);
}

}  // namespace

void Curves::Apply(const v1::Event& event) {
  const v1::MetricBatch& batch = event.metrics();
  const int size = batch.value_size();
  if (batch.name_size() != size || batch.step_size() != size || batch.epoch_size() != size) return;
  if (size > 0) measured_.insert(event.attempt());
  for (int i = 0; i < size; ++i) {
    if (batch.name(i) >= static_cast<uint32_t>(batch.names_size())) continue;
    points_[batch.names(batch.name(i))].push_back(
        {batch.step(i), batch.epoch(i), event.attempt(), batch.value(i)});
  }
}

void Curves::SetAttempts(const v1::Job& job) {
  for (int i = 1; i < job.attempts_size(); ++i) {
    began_at_[job.attempts(i).number()] = job.attempts(i).resumed_from_step();
  }
}

std::vector<std::string> Curves::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, points] : points_) names.push_back(name);
  return names;
}

std::vector<MetricPoint> Curves::Points(const std::string& name, bool all_attempts) const {
  const auto found = points_.find(name);
  if (found == points_.end()) return {};
  std::vector<MetricPoint> points = found->second;
  if (!all_attempts) {
    std::set<std::pair<int, int64_t>> measured;
    for (const MetricPoint& point : points) measured.emplace(point.attempt, point.step);
    const auto overtaken = [&](const MetricPoint& point) {
      for (auto later = began_at_.upper_bound(point.attempt); later != began_at_.end(); ++later) {
        const auto& [attempt, step] = *later;
        if (!measured_.contains(attempt)) continue;
        if (point.step > step) return true;
        if (point.step == step && measured.contains({attempt, step})) return true;
      }
      return false;
    };
    points.erase(std::remove_if(points.begin(), points.end(), overtaken), points.end());
  }
  SortBySteps(points);
  return points;
}

void SortBySteps(std::vector<MetricPoint>& points) {
  std::stable_sort(points.begin(), points.end(), [](const MetricPoint& a, const MetricPoint& b) {
    return std::pair(a.step, a.attempt) < std::pair(b.step, b.attempt);
  });
}

std::string EpochTable(const SelectedCurves& curves, const Terminal& terminal) {
  std::vector<Table::Column> columns = {{"EPOCH", Table::Align::kRight},
                                        {"STEP", Table::Align::kRight}};
  // (epoch, attempt) → its last step and, by column, its last values.
  struct Row {
    int64_t step = 0;
    std::map<size_t, double> values;
  };
  std::map<std::pair<uint32_t, int>, Row> rows;
  std::set<int> attempts;
  size_t column = 0;
  for (const auto& [name, points] : curves) {
    columns.push_back({Printable(name), Table::Align::kRight});
    for (const MetricPoint& point : points) {
      Row& row = rows[{point.epoch, point.attempt}];
      row.step = std::max(row.step, point.step);
      row.values[column] = point.value;
      attempts.insert(point.attempt);
    }
    ++column;
  }
  const bool tell_attempts = attempts.size() > 1;
  if (tell_attempts) columns.insert(columns.begin() + 2, {"ATTEMPT", Table::Align::kRight});
  Table table(std::move(columns));
  for (const auto& [key, row] : rows) {
    std::vector<std::string> cells = {absl::StrCat(key.first), FormatCount(row.step)};
    if (tell_attempts) cells.push_back(absl::StrCat(key.second));
    for (size_t i = 0; i < column; ++i) {
      const auto value = row.values.find(i);
      cells.push_back(value == row.values.end() ? "–" : FormatMetric(value->second));
    }
    table.AddRow(std::move(cells));
  }
  return table.Render(terminal.width);
}

std::string MetricsCsv(const SelectedCurves& curves) {
  std::string text = "name,step,epoch,attempt,value\n";
  for (const auto& [name, points] : curves) {
    for (const MetricPoint& point : points) {
      absl::StrAppend(&text, CsvField(name), ",", point.step, ",", point.epoch, ",", point.attempt,
                      ",", CsvNumber(point.value), "\n");
    }
  }
  return text;
}

std::string MetricsJsonLines(const SelectedCurves& curves) {
  std::string text;
  for (const auto& [name, points] : curves) {
    for (const MetricPoint& point : points) {
      JsonWriter line(/*pretty=*/false);
      WritePoint(name, point, line);
      text += line.Finish();
    }
  }
  return text;
}

std::string MetricsJson(const SelectedCurves& curves) {
  JsonWriter json(/*pretty=*/true);
  json.BeginObject();
  json.Key("metrics");
  json.BeginList();
  for (const auto& [name, points] : curves) {
    for (const MetricPoint& point : points) WritePoint(name, point, json);
  }
  json.EndList();
  json.EndObject();
  return json.Finish();
}

std::string MetricPlot(const std::vector<MetricPoint>& points, const Terminal& terminal) {
  std::set<uint32_t> epochs;
  for (const MetricPoint& point : points) epochs.insert(point.epoch);
  const bool by_epoch = epochs.size() == points.size();
  std::vector<std::pair<double, double>> curve;
  for (const MetricPoint& point : points) {
    curve.emplace_back(
        by_epoch ? static_cast<double>(point.epoch) : static_cast<double>(point.step), point.value);
  }
  const int width = terminal.width > 0 ? std::min(terminal.width - 1, 120) : kPlotWidth;
  return LinePlot(curve, width, kPlotHeight, by_epoch ? "epoch" : "step");
}

}  // namespace skytrain::client
