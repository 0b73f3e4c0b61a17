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
          absl::StrCat(name, " has published no model; it is ", v1::JobState_Name(job->state())));
    }
    if (!absl::IsNotFound(job.status())) return job.status();
    if (absl::StartsWith(typed, "jobs/")) return job.status();
  }
  ASSIGN_OR_RETURN(const ModelName model, ParseModelName(typed));
  return client.GetModel(model.version > 0 ? model.ToString()
                                           : absl::StrCat("models/", model.model));
}

std::string AbsolutePath(const Target& target, const std::string& path) {
  if (!target.local() || path.empty() || path[0] == '/' || ParseBlobName(path).ok()) return path;
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  return error ? path : (here / path).lexically_normal().string();
}

void MakePathsAbsolute(const Target& target, v1::Data& data) {
  if (data.has_dataset()) data.set_dataset(AbsolutePath(target, data.dataset()));
  if (!data.has_files()) return;
  v1::Files& files = *data.mutable_files();
  for (std::string& path : *files.mutable_images()) path = AbsolutePath(target, path);
  files.set_table(AbsolutePath(target, files.table()));
  if (!data.has_splits()) return;
  v1::Splits& splits = *data.mutable_splits();
  const auto make_absolute = [&](v1::Split& split) {
    if (split.has_table()) split.set_table(AbsolutePath(target, split.table()));
  };
  if (splits.has_train()) make_absolute(*splits.mutable_train());
  if (splits.has_validation()) make_absolute(*splits.mutable_validation());
  if (splits.has_test()) make_absolute(*splits.mutable_test());
}

absl::Status Inspect(Context& context, Client& client, const v1::Data& data, const v1::Task& task) {
  v1::InspectDatasetRequest request;
  *request.mutable_data() = data;
  *request.mutable_task() = task;
  const bool say = context.err().interactive;
  if (say) context.Err("looking at the data …");
  const absl::Status status = client.InspectDataset(request).status();
  if (say) context.Err("\r\x1b[K");
  return status;
}

}  // namespace skytrain::client
