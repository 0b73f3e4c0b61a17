#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/file_fetch.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

// `key`: what `of` is. Files: v1::ModelFile or v1::JobFile, repeated.
template <typename Files>
void PrintResult(Context& context, const char* key, const std::string& of, const Files& files,
                 const std::string& dir) {
  if (context.format == Format::kTable) return context.Out(absl::StrCat(dir, "\n"));
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key(key);
  json.String(of);
  json.Key("dir");
  json.String(dir);
  json.Key("files");
  json.BeginList();
  for (const auto& file : files) WriteMessage(file, json);
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
}

// The job that `typed` names, where it has files of its own.
absl::StatusOr<std::optional<v1::Job>> JobWithFiles(Client& client, const std::string& typed) {
  const absl::StatusOr<std::string> name = JobArgument(typed);
  if (!name.ok() || absl::StartsWith(typed, "models/") || absl::StrContains(typed, '@')) {
    return std::optional<v1::Job>();
  }
  absl::StatusOr<v1::Job> job = client.GetJob(*name);
  if (absl::IsNotFound(job.status())) return std::optional<v1::Job>();
  RETURN_IF_ERROR(job.status());
  const bool some = job->state() == v1::SUCCEEDED && !job->files().empty();
  return some ? std::optional(*std::move(job)) : std::optional<v1::Job>();
}

}  // namespace

absl::StatusOr<ExitCode> Fetch(Context& context, const FetchOptions& options) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const std::optional<v1::Job> job, JobWithFiles(*client, options.what));
  if (job.has_value()) {
    const std::string dir = options.dir.empty() ? ShortName(job->name()) : options.dir;
    RETURN_IF_ERROR(FetchFiles(context, *client, {job->files().begin(), job->files().end()}, dir));
    PrintResult(context, "job", ShortName(job->name()), job->files(), dir);
    return kExitOk;
  }
  ASSIGN_OR_RETURN(const v1::Model model, ModelArgument(*client, options.what));
  ASSIGN_OR_RETURN(const ModelName name, ParseModelName(model.name()));
  const std::string dir = options.dir.empty() ? name.model : options.dir;
  RETURN_IF_ERROR(FetchFiles(context, *client, {model.files().begin(), model.files().end()}, dir));
  PrintResult(context, "model", ShortName(model.name()), model.files(), dir);
  return kExitOk;
}

}  // namespace skytrain::client
