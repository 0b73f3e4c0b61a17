#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/prediction.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

// "galaxies@3" to "galaxies-predictions.csv".
absl::StatusOr<std::string> DefaultFile(const v1::Job& job) {
  ASSIGN_OR_RETURN(const ModelName model, ParseModelName(job.evaluation().model()));
  return absl::StrCat(model.model.substr(model.model.rfind('/') + 1), "-predictions.csv");
}

void PrintResult(Context& context, const v1::Job& job, const v1::JobFile& written,
                 const std::string& file, const v1::EvaluationReport* report) {
  if (context.format == Format::kTable) return context.Out(absl::StrCat(file, "\n"));
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("job");
  json.String(ShortName(job.name()));
  json.Key("file");
  json.String(file);
  json.Key("size_bytes");
  json.Number(written.size_bytes());
  json.Key("sha256");
  json.String(written.sha256());
  if (report != nullptr) {
    json.Key("report");
    WriteReport(*report, json);
  }
  json.EndObject();
  context.Out(json.Finish());
}

}  // namespace

absl::StatusOr<ExitCode> Predict(Context& context, const EvaluateOptions& options) {
  const bool table = context.format == Format::kTable;
  if (options.file == "-" && !table) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_ARGUMENTS",
                           "stdout has either the predictions or --output: give -o a file");
  }
  v1::Evaluation evaluation;
  ASSIGN_OR_RETURN(const v1::Output::Format format, FormatOf(options.file));
  evaluation.mutable_output()->set_predictions(format);
  evaluation.set_unlabelled(options.split.empty());
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const EvaluationEnd end,
                   RunEvaluation(context, *client, options, std::move(evaluation)));
  if (!end.job.has_value()) return end.code;
  const v1::EvaluationReport* const report = end.details.Final();
  if (report != nullptr && table) PrintReport(context, *report, /*to_stderr=*/true);
  std::string file = options.file;
  if (file.empty() && table && !context.out().interactive) file = "-";
  if (file.empty()) {
    ASSIGN_OR_RETURN(file, DefaultFile(*end.job));
  }
  ASSIGN_OR_RETURN(const v1::JobFile written, BringPredictions(context, *client, *end.job, file));
  if (file != "-") PrintResult(context, *end.job, written, file, report);
  return end.code;
}

}  // namespace skytrain::client
