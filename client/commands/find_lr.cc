#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/follow.h"
#include "client/commands/submission.h"
#include "client/render/format.h"
#include "client/render/job_text.h"
#include "client/render/json.h"
#include "client/render/lr_curve.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr char kRate[] = "find_lr/lr", kLoss[] = "find_lr/smoothed_loss";

// (rate, loss) of the steps that the server has both of.
absl::StatusOr<std::vector<std::pair<double, double>>> ReadCurve(Client& client,
                                                                 const std::string& job) {
  v1::QueryMetricsRequest request;
  request.set_name(job);
  request.add_names(kRate);
  request.add_names(kLoss);
  ASSIGN_OR_RETURN(const v1::QueryMetricsResponse response, client.QueryMetrics(request));
  std::map<int64_t, double> rates, losses;
  for (const v1::MetricCurve& curve : response.curves()) {
    std::map<int64_t, double>& values = curve.metric() == kRate ? rates : losses;
    for (int i = 0; i < curve.value_size() && i < curve.step_size(); ++i) {
      values[curve.step(i)] = curve.value(i);
    }
  }
  std::vector<std::pair<double, double>> points;
  for (const auto& [step, rate] : rates) {
    if (const auto loss = losses.find(step); loss != losses.end()) {
      points.emplace_back(rate, loss->second);
    }
  }
  return points;
}

void PrintJson(Context& context, const v1::Job& job,
               const std::vector<std::pair<double, double>>& points) {
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("job");
  json.String(ShortName(job.name()));
  const auto found = job.metrics().find("find_lr/suggestion");
  if (found != job.metrics().end()) {
    json.Key("suggestion");
    json.Number(found->second);
  }
  json.Key("curve");
  json.BeginList();
  for (const auto& [rate, loss] : points) {
    json.BeginObject();
    json.Key("lr");
    json.Number(rate);
    json.Key("smoothed_loss");
    json.Number(loss);
    json.EndObject();
  }
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
}

}  // namespace

absl::StatusOr<ExitCode> FindLr(Context& context, SubmitOptions options) {
  options.find_lr = true;
  ASSIGN_OR_RETURN(const v1::CreateJobResponse response, SubmitExperiment(context, options));
  context.Err(AcceptedText(response, options.dry_run));
  if (options.dry_run) return kExitOk;
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  const std::string& name = response.job().name();
  ASSIGN_OR_RETURN(const ExitCode code,
                   FollowToEnd(context, *client, name, {.text_to_stderr = true}, 0));
  if (code != kExitOk) return code;
  ASSIGN_OR_RETURN(const v1::Job job, client->GetJob(name));
  ASSIGN_OR_RETURN(const auto points, ReadCurve(*client, name));
  const auto found = job.metrics().find("find_lr/suggestion");
  if (context.format != Format::kTable) {
    PrintJson(context, job, points);
  } else {
    context.Out(LrPlot(points, context.out()));
    if (found != job.metrics().end()) {
      context.Out(absl::StrCat(OptimizerLine(job.experiment().optimizer(), found->second), "\n"));
    }
  }
  return found == job.metrics().end() ? kExitFailed : kExitOk;
}

}  // namespace skytrain::client
