#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/data_argument.h"
#include "client/commands/follow.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "client/render/report.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

void Print(Context& context, const v1::EvaluationReport& report) {
  if (context.format != Format::kTable) {
    JsonWriter json(context.format == Format::kJson);
    WriteReport(report, json);
    return context.Out(json.Finish());
  }
  context.Out(absl::StrCat(ReportLine(report), "\n", ConfusionTable(report, context.out().width)));
}

}  // namespace

absl::StatusOr<ExitCode> Evaluate(Context& context, const EvaluateOptions& options) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Model model, ModelArgument(*client, options.what));

  v1::CreateJobRequest request;
  v1::Evaluation& evaluation = *request.mutable_job()->mutable_evaluation();
  evaluation.set_model(model.name());
  ASSIGN_OR_RETURN(*evaluation.mutable_data()->mutable_dataset(),
                   DatasetArgument(*client, options.data));
  if (options.skip_unmatched) evaluation.mutable_data()->set_unmatched(v1::Data::POLICY_SKIP);
  if (options.skip_corrupt) evaluation.mutable_data()->set_corrupt(v1::Data::POLICY_SKIP);
  evaluation.set_split(options.split);
  request.set_request_id(NewUid());
  RETURN_IF_ERROR(Inspect(context, *client, evaluation.data(), model.task()).status());
  ASSIGN_OR_RETURN(const v1::CreateJobResponse response, client->CreateJob(request));
  const std::string& job = response.job().name();
  context.Err(absl::StrCat(ShortName(job), "  evaluates ", ShortName(model.name()), " on ",
                           Printable(evaluation.data().dataset()), "\n"));

  JobFollower follower(context, {.text_to_stderr = true});
  WatchOptions watch;
  watch.job = job;
  const absl::Status status = Watch(*client, std::move(watch), follower);
  follower.Finish();
  if (context.interrupt().raised()) {
    context.Err(absl::StrCat("Detached: the evaluation goes on. Come back with: skytrain watch ",
                             ShortName(job), "\n"));
    return kExitInterrupted;
  }
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(const v1::Job over, client->GetJob(job));
  const v1::EvaluationReport* const report = follower.details().Final();
  if (over.state() == v1::SUCCEEDED && report != nullptr) {
    Print(context, *report);
  } else {
    context.Err(JobText(over, follower.details(), absl::Now(), context.err()));
  }
  return ExitCodeOf(over.state());
}

}  // namespace skytrain::client
