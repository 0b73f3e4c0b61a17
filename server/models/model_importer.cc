#include "server/models/model_importer.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/spec/import_check.h"

namespace skytrain {
namespace {

constexpr char kSuffix[] = ".import";

// `depth`: of folders of users.
void RemoveLeft(FileSystem& fs, const std::string& dir, int depth) {
  const auto names = fs.ListDir(dir);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(dir, "/", name);
    if (depth > 0) {
      RemoveLeft(fs, path, depth - 1);
    } else if (absl::EndsWith(name, kSuffix)) {
      fs.RemoveTree(path).IgnoreError();
    }
  }
}

absl::Status CheckIsNoJob(const std::string& id,
                          const std::function<bool(const std::string& id)>& is_job) {
  if (!is_job || !is_job(id)) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kAlreadyExists, "MODEL_TAKEN",
      absl::StrCat("the name ", id, " is that of a job: choose another one for the import"));
}

}  // namespace

ModelImporter::ModelImporter(Options options, ModelStore& models)
    : options_(std::move(options)), models_(models) {
  RemoveLeft(*options_.fs, options_.scratch_dir, /*depth=*/options_.account_of ? 1 : 0);
}

absl::StatusOr<v1::Model> ModelImporter::Import(
    const v1::ImportModelRequest& request, const std::string& owner,
    const std::function<bool(const std::string& id)>& is_job) {
  RETURN_IF_ERROR(spec::PlanImport(request).status());
  RETURN_IF_ERROR(CheckIsNoJob(request.model_id(), is_job));
  RETURN_IF_ERROR(models_.CheckImportName(request.model_id(), owner));
  ASSIGN_OR_RETURN(const std::string sha256, ParseBlobName(request.blob()));
  std::optional<Account> account;
  if (options_.account_of) {
    ASSIGN_OR_RETURN(account, options_.account_of(owner));
  }
  const Account* const as = account.has_value() ? &*account : nullptr;
  ASSIGN_OR_RETURN(const std::string weights, options_.locate_blob(owner, sha256));
  ASSIGN_OR_RETURN(const std::string stem, HelperPath(*options_.fs, options_.scratch_dir, as));
  const std::string dir = stem + kSuffix;
  RETURN_IF_ERROR(options_.fs->CreateDir(dir));
  absl::StatusOr<v1::Model> model = RunWorker(request, weights, dir, as);
  if (model.ok() && request.validate_only()) {
    model->set_owner(owner);
  } else if (model.ok()) {
    model = models_.PublishImport(request.model_id(), owner, absl::StrCat(dir, "/model"));
  }
  options_.fs->RemoveTree(dir).IgnoreError();
  return model;
}

absl::StatusOr<v1::Model> ModelImporter::RunWorker(const v1::ImportModelRequest& request,
                                                   const std::string& weights,
                                                   const std::string& dir, const Account* account) {
  Helper helper;
  helper.what = "the import";
  helper.failed = "IMPORT_FAILED";
  helper.timed_out = "IMPORT_TIMEOUT";
  helper.argv = {options_.worker_binary, "--import", dir, "--weights", weights};
  helper.out_path = absl::StrCat(dir, "/answer.binpb");
  helper.log_path = absl::StrCat(dir, "/log");
  helper.fs = options_.fs;
  helper.timeout = options_.timeout;
  helper.account = account;
  RETURN_IF_ERROR(WriteFileAtomically(*options_.fs, absl::StrCat(dir, "/request.binpb"),
                                      request.SerializeAsString()));
  ASSIGN_OR_RETURN(const std::string answer, RunHelper(helper, stop_));
  v1::Model checked;
  if (checked.ParseFromString(answer)) return checked;
  return ErrorWithReason(absl::StatusCode::kInternal, "IMPORT_FAILED",
                         "the import failed: its answer cannot be read");
}

}  // namespace skytrain
