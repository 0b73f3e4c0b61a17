#include "client/commands/arguments.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<std::string> JobArgument(const std::string& typed) {
  ASSIGN_OR_RETURN(const std::string id, ParseJobName(typed));
  return JobName(id);
}

absl::StatusOr<v1::Model> ModelArgument(Client& client, const std::string& typed) {
  const bool surely_model = absl::StartsWith(typed, "models/") || absl::StrContains(typed, '@');
  if (!surely_model) {
    ASSIGN_OR_RETURN(const std::string name, JobArgument(typed));
    const absl::StatusOr<v1::Job> job = client.GetJob(name);
    if (job.ok()) {
      if (!job->model().empty()) return client.GetModel(job->model());
      return ErrorWithReason(
          absl::StatusCode::kFailedPrecondition, "NO_MODEL",
          absl::StrCat(name,
                       job->has_evaluation() ? " evaluates a model, and has files of its own "
                                               "only when it was asked for them and is over; "
                                               "it is "
                                             : " has published no model; it is ",
                       v1::JobState_Name(job->state())));
    }
    if (!absl::IsNotFound(job.status())) return job.status();
    if (absl::StartsWith(typed, "jobs/")) return job.status();
  }
  ASSIGN_OR_RETURN(const ModelName model, ParseModelName(typed));
  return client.GetModel(model.ToString());
}

std::string AbsolutePath(const Target& target, const std::string& path) {
  if (!target.local() || path.empty() || path[0] == '/' || ParseBlobName(path).ok()) return path;
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  return error ? path : (here / path).lexically_normal().string();
}

absl::StatusOr<v1::DatasetManifest> Inspect(Context& context, Client& client, const v1::Data& data,
                                            const v1::Task& task, bool unlabelled) {
  v1::InspectDatasetRequest request;
  *request.mutable_data() = data;
  *request.mutable_task() = task;
  request.set_unlabelled(unlabelled);
  const bool say = context.err().interactive;
  if (say) context.Err("looking at the data …");
  absl::StatusOr<v1::DatasetManifest> manifest = client.InspectDataset(request);
  if (say) context.Err("\r\x1b[K");
  return manifest;
}

}  // namespace skytrain::client
