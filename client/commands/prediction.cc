#include "client/commands/prediction.h"

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/api/watch.h"
#include "client/commands/arguments.h"
#include "client/commands/data_argument.h"
#include "client/commands/file_fetch.h"
#include "client/commands/follow.h"
#include "client/commands/pack.h"
#include "client/commands/transfer.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "client/render/report.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::Status BadArguments(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_ARGUMENTS", what);
}

bool IsHere(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// The first of the models that are named; the others go into `evaluation`.
absl::StatusOr<v1::Model> NameModels(Client& client, const std::vector<std::string>& typed,
                                     v1::Evaluation& evaluation) {
  std::optional<v1::Model> first;
  for (const std::string& list : typed) {
    for (const absl::string_view one : absl::StrSplit(list, ',', absl::SkipEmpty())) {
      ASSIGN_OR_RETURN(v1::Model model, ModelArgument(client, std::string(one)));
      if (first.has_value()) {
        evaluation.add_ensemble(model.name());
      } else {
        evaluation.set_model(model.name());
        first = std::move(model);
      }
    }
  }
  if (!first.has_value()) return BadArguments("name a model, or the job that trained it");
  return *std::move(first);
}

// Sends what is typed; the blob's name.
absl::StatusOr<std::string> SendData(Context& context, Client& client,
                                     const std::vector<std::string>& typed) {
  for (const std::string& path : typed) {
    if (IsHere(path)) continue;
    return ErrorWithReason(absl::StatusCode::kNotFound, "DATA_NOT_FOUND",
                           absl::StrCat("there is no ", Printable(path), " here"));
  }
  if (IsSentAsItIs(typed)) return UploadFile(context, client, typed[0]);
  ASSIGN_OR_RETURN(const TemporaryFile packed, PackImages(typed));
  return UploadFile(context, client, packed.path(), absl::StrJoin(typed, " "));
}

// Names the data, has the server look at them, and sends them where that is needed and wanted.
absl::Status NameData(Context& context, Client& client, const EvaluateOptions& options,
                      const v1::Task& task, v1::Evaluation& evaluation) {
  if (options.data.empty()) return BadArguments("name the data: a registered name, or a path");
  v1::Data& data = *evaluation.mutable_data();
  const auto inspect = [&] {
    return Inspect(context, client, data, task, evaluation.unlabelled()).status();
  };
  if (options.skip_unmatched) data.set_unmatched(v1::Data::POLICY_SKIP);
  if (options.skip_corrupt) data.set_corrupt(v1::Data::POLICY_SKIP);
  const bool several = options.data.size() > 1;
  if (several && !options.upload) {
    return BadArguments("several paths are images that are here: they go along with --upload");
  }
  if (!several) {
    ASSIGN_OR_RETURN(*data.mutable_dataset(), DatasetArgument(client, options.data[0]));
    const absl::Status found = inspect();
    const std::string reason = ReasonOf(found);
    const bool elsewhere = reason == "DATA_NOT_FOUND" || reason == "OUTSIDE_DATA_ROOTS";
    if (!elsewhere || (!options.upload && !IsHere(options.data[0]))) return found;
    if (!options.upload) {
      return ErrorWithReason(
          found.code(), reason,
          absl::StrCat(found.message(), "; data that are here go along with --upload"));
    }
  }
  ASSIGN_OR_RETURN(*data.mutable_dataset(), SendData(context, client, options.data));
  return inspect();
}

std::string HowToGoOn(const v1::Evaluation& evaluation, const std::string& job) {
  const bool files = evaluation.output().predictions() != v1::Output::FORMAT_UNSPECIFIED;
  return absl::StrCat(
      "Come back with: skytrain watch ", ShortName(job),
      files ? absl::StrCat("; its predictions, when it is over: skytrain fetch ", ShortName(job))
            : "",
      "\n");
}

}  // namespace

absl::StatusOr<v1::Output::Format> FormatOf(const std::string& file) {
  if (file.empty() || file == "-" || absl::EndsWith(file, ".csv")) return v1::Output::FORMAT_CSV;
  if (absl::EndsWith(file, ".parquet")) return v1::Output::FORMAT_PARQUET;
  if (absl::EndsWith(file, ".jsonl")) return v1::Output::FORMAT_JSON_LINES;
  return BadArguments(
      absl::StrCat(Printable(file), ": the suffix tells the format: .csv, .parquet or .jsonl"));
}

absl::StatusOr<EvaluationEnd> RunEvaluation(Context& context, Client& client,
                                            const EvaluateOptions& options,
                                            v1::Evaluation evaluation) {
  std::vector<std::string> typed = options.ensemble;
  typed.insert(typed.begin(), options.model);
  ASSIGN_OR_RETURN(const v1::Model model, NameModels(client, typed, evaluation));
  evaluation.set_dihedral(options.dihedral);
  evaluation.set_dropout_samples(options.dropout_samples);
  evaluation.set_split(options.split);
  evaluation.mutable_output()->set_features(options.features);
  if (options.cpus > 0) evaluation.mutable_resources()->set_cpus(options.cpus);
  if (options.gpus > 0) evaluation.mutable_resources()->set_gpus(options.gpus);
  RETURN_IF_ERROR(NameData(context, client, options, model.task(), evaluation));
  v1::CreateJobRequest request;
  request.set_request_id(NewUid());
  *request.mutable_job()->mutable_evaluation() = evaluation;
  ASSIGN_OR_RETURN(const v1::CreateJobResponse response, client.CreateJob(request));
  const std::string& job = response.job().name();
  std::vector<std::string> models = {ShortName(evaluation.model())};
  for (const std::string& name : evaluation.ensemble()) models.push_back(ShortName(name));
  context.Err(absl::StrCat(
      ShortName(job), "  ", evaluation.unlabelled() ? "predicts " : "evaluates ",
      evaluation.unlabelled() ? "with " : "", absl::StrJoin(models, ", "),
      evaluation.unlabelled() ? "  " : " on ", Printable(absl::StrJoin(options.data, " ")), "\n"));
  EvaluationEnd end;
  if (options.detach) {
    context.Out(absl::StrCat(ShortName(job), "\n"));
    context.Err(HowToGoOn(evaluation, job));
    return end;
  }
  JobFollower follower(context, {.text_to_stderr = true});
  WatchOptions watch;
  watch.job = job;
  const absl::Status status = Watch(client, std::move(watch), follower);
  follower.Finish();
  end.details = follower.details();
  if (context.interrupt().raised()) {
    context.Err(absl::StrCat("Detached: the ", evaluation.unlabelled() ? "job" : "evaluation",
                             " goes on. ", HowToGoOn(evaluation, job)));
    end.code = kExitInterrupted;
    return end;
  }
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(v1::Job over, client.GetJob(job));
  end.code = ExitCodeOf(over.state());
  if (over.state() == v1::SUCCEEDED) {
    end.job = std::move(over);
  } else {
    context.Err(JobText(over, end.details, absl::Now(), context.err()));
  }
  return end;
}

absl::StatusOr<v1::JobFile> BringPredictions(Context& context, Client& client, const v1::Job& job,
                                             const std::string& file) {
  const v1::JobFile* found = nullptr;
  for (const v1::JobFile& one : job.files()) {
    if (absl::StartsWith(one.name(), "predictions.")) found = &one;
  }
  if (found == nullptr) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "NO_PREDICTIONS",
                           absl::StrCat(ShortName(job.name()), " has written no predictions"));
  }
  const auto fetch = [&](const std::string& path) {
    const absl::Status fetched = FetchFile(context, client, *found, path);
    if (!fetched.ok()) {
      context.Err(absl::StrCat("The predictions are there. Get them with: skytrain fetch ",
                               ShortName(job.name()), "\n"));
    }
    return fetched;
  };
  if (file != "-") {
    RETURN_IF_ERROR(fetch(file));
    return *found;
  }
  // Whole and verified before the first byte goes on.
  ASSIGN_OR_RETURN(const TemporaryFile whole, TemporaryFile::Make());
  RETURN_IF_ERROR(fetch(whole.path()));
  const std::unique_ptr<FILE, int (*)(FILE*)> in(
      fopen(whole.path().c_str(), "re"), +[](FILE* f) { return f == nullptr ? 0 : fclose(f); });
  std::string buffer(1 << 20, '\0');
  size_t got = 0;
  while (in != nullptr && (got = fread(buffer.data(), 1, buffer.size(), in.get())) > 0) {
    context.Out(absl::string_view(buffer).substr(0, got));
  }
  if (in != nullptr && ferror(in.get()) == 0) return *found;
  return absl::UnknownError(absl::StrCat("cannot read ", whole.path()));
}

void PrintReport(Context& context, const v1::EvaluationReport& report, bool to_stderr) {
  if (context.format != Format::kTable && !to_stderr) {
    JsonWriter json(context.format == Format::kJson);
    WriteReport(report, json);
    return context.Out(json.Finish());
  }
  const int width = to_stderr ? context.err().width : context.out().width;
  const std::string text = absl::StrCat(ReportLine(report), "\n", ConfusionTable(report, width));
  to_stderr ? context.Err(text) : context.Out(text);
}

}  // namespace skytrain::client
