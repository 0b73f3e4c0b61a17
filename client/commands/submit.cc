#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/data_argument.h"
#include "client/commands/follow.h"
#include "client/commands/pending_request.h"
#include "client/commands/submission.h"
#include "client/commands/transfer.h"
#include "client/render/format.h"
#include "client/render/job_text.h"
#include "client/render/json.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "common/yaml/yaml_message.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace skytrain::client {
namespace {

absl::StatusOr<std::string> ReadExperiment(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      path == "-" ? stdin : fopen(path.c_str(), "re"),
      +[](FILE* f) { return f == stdin ? 0 : fclose(f); });
  std::string text;
  char buffer[16384];
  size_t got = 0;
  while (file != nullptr && (got = fread(buffer, 1, sizeof(buffer), file.get())) > 0) {
    text.append(buffer, got);
    if (text.size() > yaml::kMaxBytes) break;  // The parser says so.
  }
  if (file == nullptr || ferror(file.get())) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "UNREADABLE_FILE",
                           absl::StrCat("cannot read ", path, ": ", strerror(errno)));
  }
  return text;
}

// "galaxies.yaml:9:11: train.epochs must be at least 1, not -3" of the server's "train.epochs" and
// "must be at least 1, not -3".
std::string Located(const FieldViolation& violation, const yaml::PositionMap& positions) {
  absl::string_view field = violation.field;
  for (absl::string_view prefix : {"job.", "experiment."}) absl::ConsumePrefix(&field, prefix);
  bool sentence = false;
  for (absl::string_view verb : {"must ", "is ", "has ", "takes "}) {
    sentence = sentence || absl::StartsWith(violation.description, verb);
  }
  return absl::StrCat(positions.Find(field).ToString(), ": ", field, sentence ? " " : ": ",
                      violation.description);
}

absl::Status WithCount(absl::string_view lines, size_t count) {
  return absl::InvalidArgumentError(
      absl::StrCat(lines, "\n", Plural(count, "error"), ", nothing submitted"));
}

// Names the places in the file that the server's complaints are about.
absl::Status Locate(const absl::Status& status, const yaml::PositionMap& positions) {
  const std::vector<FieldViolation> violations = ViolationsOf(status);
  if (!absl::IsInvalidArgument(status) || violations.empty()) return status;
  std::string lines;
  for (const FieldViolation& violation : violations) {
    absl::StrAppend(&lines, lines.empty() ? "" : "\n", Located(violation, positions));
  }
  return WithCount(lines, violations.size());
}

// Has the server look at the data; sends what it does not have, when that is wanted.
absl::Status CheckData(Context& context, Client& client, bool upload, v1::Experiment& experiment) {
  const v1::Data typed = experiment.data();
  RETURN_IF_ERROR(MakePathsAbsolute(client, *experiment.mutable_data()));
  const absl::Status found =
      Inspect(context, client, experiment.data(), experiment.task()).status();
  const std::string reason = ReasonOf(found);
  if (reason != "DATA_NOT_FOUND" && reason != "OUTSIDE_DATA_ROOTS") return found;
  if (!upload) {
    return ErrorWithReason(
        found.code(), reason,
        absl::StrCat(found.message(), "; data that are here go along with --upload"));
  }
  RETURN_IF_ERROR(UploadData(context, client, typed, *experiment.mutable_data()));
  return Inspect(context, client, experiment.data(), experiment.task()).status();
}

void PrintAccepted(Context& context, const v1::CreateJobResponse& response,
                   const SubmitOptions& options) {
  if (context.format != Format::kTable) {
    JsonWriter json(context.format == Format::kJson);
    json.BeginObject();
    json.Key("name");
    json.String(ShortName(response.job().name()));
    json.Key("job");
    WriteJob(response.job(), json);
    json.Key("estimate");
    WriteMessage(response.estimate(), json);
    json.EndObject();
    return context.Out(json.Finish());
  }
  const std::string text = AcceptedText(response, options.dry_run);
  if (options.dry_run) return context.Out(text);
  context.Err(text);
  // On a terminal the name stands in the lines above; a script gets it alone.
  if (!context.out().interactive || !context.err().interactive) {
    context.Out(absl::StrCat(ShortName(response.job().name()), "\n"));
  }
}

// Everything that makes two submits the same command.
std::string KeyOf(const Client& client, const v1::CreateJobRequest& request) {
  std::string key = absl::StrCat(client.target().shown, "\n");
  google::protobuf::io::StringOutputStream stream(&key);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);  // `labels` is a map.
  request.SerializeToCodedStream(&coded);
  return key;
}

// Sends the request such that a client that is killed, and started again, submits no second job.
absl::StatusOr<v1::CreateJobResponse> SendOnce(Context& context, Client& client,
                                               v1::CreateJobRequest request,
                                               const std::string& request_id) {
  if (request.validate_only() || !request_id.empty()) {
    request.set_request_id(request_id);
    return client.CreateJob(request);
  }
  PendingRequest pending(PendingRequest::StateDir(), KeyOf(client, request));
  request.set_request_id(pending.id());
  absl::StatusOr<v1::CreateJobResponse> response = client.CreateJob(request);
  pending.Answered(response.status());
  if (response.ok() && pending.age() > absl::ZeroDuration()) {
    context.Err(absl::StrCat("already submitted as ", ShortName(response->job().name()),
                             ": this command was interrupted ", FormatSpan(pending.age()),
                             " ago\n"));
  }
  return response;
}

}  // namespace

absl::StatusOr<v1::CreateJobResponse> SubmitExperiment(Context& context,
                                                       const SubmitOptions& options) {
  ASSIGN_OR_RETURN(const std::string text, ReadExperiment(options.file));
  v1::CreateJobRequest request;
  v1::Experiment& experiment = *request.mutable_job()->mutable_experiment();
  yaml::PositionMap positions;
  const std::string source = options.file == "-" ? "stdin" : options.file;
  if (const absl::Status status =
          yaml::ParseMessage(text, source, options.overrides, experiment, &positions);
      !status.ok()) {
    return WithCount(status.message(), ViolationsOf(status).size());
  }
  if (options.find_lr) experiment.mutable_train()->mutable_find_lr();
  if (!options.name.empty()) RETURN_IF_ERROR(ValidateJobId(options.name));
  request.set_job_id(options.name);
  request.set_validate_only(options.dry_run);

  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  if (experiment.data().source_case() != v1::Data::SOURCE_NOT_SET) {
    RETURN_IF_ERROR(Locate(CheckData(context, *client, options.upload, experiment), positions));
  }
  absl::StatusOr<v1::CreateJobResponse> response =
      SendOnce(context, *client, std::move(request), options.request_id);
  if (!response.ok()) return Locate(response.status(), positions);
  return response;
}

absl::StatusOr<ExitCode> Submit(Context& context, const SubmitOptions& options) {
  ASSIGN_OR_RETURN(const v1::CreateJobResponse response, SubmitExperiment(context, options));
  PrintAccepted(context, response, options);
  if (options.dry_run) return kExitOk;

  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  const std::string& job = response.job().name();
  if (options.watch) {
    return FollowToEnd(context, *client, job, {.text_to_stderr = true}, 0);
  }
  if (!options.wait) return kExitOk;
  const absl::StatusOr<std::optional<v1::Job>> over =
      WaitForEnd(context, *client, job, absl::InfiniteFuture());
  if (context.interrupt().raised()) {
    context.Err(absl::StrCat("Detached: the job goes on. Come back with: skytrain watch ",
                             ShortName(job), "\n"));
    return kExitInterrupted;
  }
  RETURN_IF_ERROR(over.status());
  ASSIGN_OR_RETURN(const JobDetails details, LoadDetails(*client, job));
  context.Err(JobText(**over, details, absl::Now(), context.err()));
  return ExitCodeOf((*over)->state());
}

}  // namespace skytrain::client
