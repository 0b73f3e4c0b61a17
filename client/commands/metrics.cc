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

absl::StatusOr<SelectedCurves> Select(const Curves& curves, const MetricsOptions& options) {
  std::vector<std::string> wanted = options.names;
  if (!options.plot.empty()) wanted = {options.plot};
  SelectedCurves selected;
  const std::vector<std::string> names = curves.Names();
  for (const std::string& pattern : wanted) {
    bool any = false;
    for (const std::string& name : names) {
      if (!Matches(name, pattern)) continue;
      any = true;
      selected[name] = curves.Points(name, options.all_attempts);
    }
    if (!any) return NoSuchMetric(pattern, names);
  }
  if (!wanted.empty()) return selected;
  for (const std::string& name : names) {
    selected[name] = curves.Points(name, options.all_attempts);
  }
  return selected;
}

}  // namespace

absl::StatusOr<ExitCode> Metrics(Context& context, const MetricsOptions& options) {
  ASSIGN_OR_RETURN(const std::string name, JobArgument(options.job));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Job job, client->GetJob(name));
  Collector collector;
  WatchOptions watch;
  watch.job = name;
  watch.follow = false;
  watch.kinds = {v1::METRICS};
  RETURN_IF_ERROR(Watch(*client, std::move(watch), collector));
  collector.curves.SetAttempts(job);
  ASSIGN_OR_RETURN(const SelectedCurves selected, Select(collector.curves, options));

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
