#include "server/jobs/attempt_launch.h"

#include "absl/strings/str_cat.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"
#include "server/jobs/attempt_plan.h"

namespace skytrain {
namespace {

// The store is root's, so the owner gets a copy.
absl::Status CopyNeededModel(const AttemptEnvironment& environment, const v1::Job& job, int number,
                             const AttemptDir& dir) {
  ASSIGN_OR_RETURN(const ModelLocation model,
                   environment.options.find_model(job.owner(), NeededModels(job)[number]));
  const std::string folder = ModelCopyPath(dir.path(), number);
  RETURN_IF_ERROR(environment.fs.CreateDir(folder));
  for (const v1::ModelFile& file : model.model.files()) {
    RETURN_IF_ERROR(CopyFile(environment.fs, absl::StrCat(model.dir, "/", file.name()),
                             absl::StrCat(folder, "/", file.name()),
                             static_cast<uint64_t>(file.size_bytes())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<Account>> PrepareAttempt(const AttemptEnvironment& environment,
                                                      const v1::Job& job, AttemptDir& dir,
                                                      const std::function<bool()>& stop) {
  std::optional<Account> account;
  if (environment.options.account_of) {
    ASSIGN_OR_RETURN(account, environment.options.account_of(job.owner()));
  }
  const auto resume_from =
      CheckpointOf(environment.options, environment.fs, job.uid(), job.attempts_size() - 1, stop);
  if (stop()) return absl::CancelledError("the daemon stops");
  ASSIGN_OR_RETURN(const internal::v1::AttemptSpec spec,
                   PlanAttempt(environment.options, job, resume_from,
                               account.has_value() ? &*account : nullptr));
  RETURN_IF_ERROR(
      dir.Create(spec, account.has_value() ? std::optional(account->ids) : std::nullopt));
  const int needed = account.has_value() ? static_cast<int>(NeededModels(job).size()) : 0;
  for (int i = 0; i < needed; ++i) RETURN_IF_ERROR(CopyNeededModel(environment, job, i, dir));
  return account;
}

}  // namespace skytrain
