#include "client/commands/commands.h"
#include "client/commands/prediction.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Evaluate(Context& context, const EvaluateOptions& options) {
  v1::Evaluation evaluation;
  if (options.file == "-") {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_ARGUMENTS",
                           "stdout has the report: give -o a file");
  }
  if (!options.file.empty()) {
    ASSIGN_OR_RETURN(const v1::Output::Format format, FormatOf(options.file));
    evaluation.mutable_output()->set_predictions(format);
  }
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const EvaluationEnd end,
                   RunEvaluation(context, *client, options, std::move(evaluation)));
  if (!end.job.has_value()) return end.code;
  if (const v1::EvaluationReport* report = end.details.Final(); report != nullptr) {
    PrintReport(context, *report, /*to_stderr=*/false);
  }
  if (!options.file.empty()) {
    RETURN_IF_ERROR(BringPredictions(context, *client, *end.job, options.file).status());
  }
  return end.code;
}

}  // namespace skytrain::client
