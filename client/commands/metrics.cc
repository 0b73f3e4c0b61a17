#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/api/watch.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/render/curves.h"
#include "client/render/format.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

class Collector : public WatchObserver {
 public:
  void OnEvent(const v1::Event& event) override { curves.Apply(event); }
  Curves curves;
};

bool Matches(absl::string_view name, absl::string_view pattern) {
  return absl::ConsumeSuffix(&pattern, "*") ? absl::StartsWith(name, pattern) : name == pattern;
}

absl::Status NoSuchMetric(absl::string_view wanted, const std::vector<std::string>& names) {
  const std::string nearest = NearestName(wanted, names);
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "METRIC_NOT_FOUND",
      names.empty()
          ? "the job has no metrics yet"
          : absl::StrCat("no metric '", wanted, "'; there are ", absl::StrJoin(names, ", "),
                         nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
}

// The curves that a table of all has room for: neither every class's recall nor what is measured
// once. The others are a name away.
SelectedCurves MainCurves(Context& context, const SelectedCurves& curves) {
  SelectedCurves main;
  std::vector<std::string> hidden;
  for (const auto& [name, points] : curves) {
    const bool wide = absl::StrContains(name, "/recall/") ||
                      absl::StrContains(name, "per_second") || absl::StartsWith(name, "test/");
    if (wide) {
      hidden.push_back(name);
    } else {
      main[name] = points;
    }
  }
  if (main.empty()) return curves;
  if (!hidden.empty()) {
    context.Err(absl::StrCat(
        "also measured (name them, as in 'test/*'): ", absl::StrJoin(hidden, ", "), "\n"));
  }
  return main;
}

// Of `names` those that the command line asks for.
absl::StatusOr<std::vector<std::string>> Wanted(const std::vector<std::string>& names,
                                                const MetricsOptions& options) {
  std::vector<std::string> patterns = options.names;
  if (!options.plot.empty()) patterns = {options.plot};
  if (patterns.empty()) return names;
  std::vector<std::string> wanted;
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (const std::string& name : names) {
      if (!Matches(name, pattern)) continue;
      any = true;
      wanted.push_back(name);
    }
    if (!any) return NoSuchMetric(pattern, names);
  }
  return wanted;
}

// The server's own answer: few messages, however long the job. Empty: some curve has more points
// than the server gives at once, and the lines of a table or a file need all of them; or the server
// is an older one.
absl::StatusOr<std::optional<SelectedCurves>> Ask(Client& client, const std::string& job,
                                                  const MetricsOptions& options) {
  v1::QueryMetricsRequest request;
  request.set_name(job);
  request.set_all_attempts(options.all_attempts);
  if (!options.plot.empty()) request.add_names(options.plot);
  const auto response = client.QueryMetrics(request);
  if (absl::IsUnimplemented(response.status())) return std::optional<SelectedCurves>();
  RETURN_IF_ERROR(response.status());
  // A name that there is not: the whole list tells the nearest one.
  if (!options.plot.empty() && response->curves().empty()) return std::optional<SelectedCurves>();
  std::vector<std::string> names;
  for (const v1::MetricCurve& curve : response->curves()) names.push_back(curve.metric());
  ASSIGN_OR_RETURN(const std::vector<std::string> wanted, Wanted(names, options));
  SelectedCurves selected;
  for (const v1::MetricCurve& curve : response->curves()) {
    if (std::find(wanted.begin(), wanted.end(), curve.metric()) == wanted.end()) continue;
    const int size = curve.value_size();
    if (curve.attempt_size() != size || curve.step_size() != size || curve.epoch_size() != size ||
        (curve.points() > size && options.plot.empty())) {
      return std::optional<SelectedCurves>();
    }
    std::vector<MetricPoint>& points = selected[curve.metric()];
    for (int i = 0; i < size; ++i) {
      points.push_back(
          {curve.step(i), static_cast<uint32_t>(curve.epoch(i)), curve.attempt(i), curve.value(i)});
    }
    SortBySteps(points);
  }
  return std::optional<SelectedCurves>(std::move(selected));
}

// Every point, from the events.
absl::StatusOr<SelectedCurves> ReadAll(Client& client, const std::string& job,
                                       const MetricsOptions& options) {
  ASSIGN_OR_RETURN(const v1::Job now, client.GetJob(job));
  Collector collector;
  WatchOptions watch;
  watch.job = job;
  watch.follow = false;
  watch.kinds = {v1::METRICS};
  RETURN_IF_ERROR(Watch(client, std::move(watch), collector));
  collector.curves.SetAttempts(now);
  ASSIGN_OR_RETURN(const std::vector<std::string> wanted,
                   Wanted(collector.curves.Names(), options));
  SelectedCurves selected;
  for (const std::string& name : wanted) {
    selected[name] = collector.curves.Points(name, options.all_attempts);
  }
  return selected;
}

}  // namespace

absl::StatusOr<ExitCode> Metrics(Context& context, const MetricsOptions& options) {
  ASSIGN_OR_RETURN(const std::string name, JobArgument(options.job));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(std::optional<SelectedCurves> answered, Ask(*client, name, options));
  if (!answered.has_value()) {
    ASSIGN_OR_RETURN(answered, ReadAll(*client, name, options));
  }
  const SelectedCurves& selected = *answered;

  if (!options.plot.empty()) {
    for (const auto& [metric, points] : selected) {
      context.Out(absl::StrCat(metric, "\n", MetricPlot(points, context.out())));
    }
    return kExitOk;
  }
  switch (context.format) {
    case Format::kTable:
      context.Out(EpochTable(options.names.empty() ? MainCurves(context, selected) : selected,
                             context.out()));
      break;
    case Format::kCsv:
      context.Out(MetricsCsv(selected));
      break;
    case Format::kJson:
      context.Out(MetricsJson(selected));
      break;
    case Format::kJsonl:
      context.Out(MetricsJsonLines(selected));
      break;
  }
  return kExitOk;
}

}  // namespace skytrain::client
