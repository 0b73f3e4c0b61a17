#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/ids.h"
#include "common/mutex.h"
#include "server/models/model_rows.h"
#include "server/store/database.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/model_service.pb.h"

namespace skytrain {

// The published models: immutable folders below `models_dir` (<model>/<version>/) and a row for
// each. Thread-safe; calls block on the disk.
class ModelStore {
 public:
  // `models_dir` is made when absent. `visible_to_all`: everybody may read everybody's models.
  // Everything given must outlive this.
  ModelStore(std::string models_dir, Database& database, FileSystem& fs, Clock& clock,
             bool visible_to_all = false);

  // Publishes model/ of an attempt folder as the next version of the model that has the job's id.
  // The same job publishes once: asked again, it answers the version that it made before. The files
  // are hard-linked where the file system allows it, so a big model costs no copy. NOT_FOUND
  // (MODEL_NOT_WRITTEN), DATA_LOSS (MODEL_CORRUPT: the weights are not those of the card),
  // OUT_OF_RANGE and RESOURCE_EXHAUSTED (no model that a run writes is that large).
  absl::StatusOr<v1::Model> Publish(const v1::Job& job, const std::string& attempt_dir)
      ABSL_LOCKS_EXCLUDED(publish_mu_);

  // Publishes `folder`, made of weights from elsewhere, as the next version of `model_id`, which is
  // new or has nothing but imports of `owner`. The same files once more as the newest version are
  // that version, so that a call whose answer was lost can be repeated. ALREADY_EXISTS
  // (MODEL_TAKEN), and the errors of Publish.
  absl::StatusOr<v1::Model> PublishImport(const std::string& model_id, const std::string& owner,
                                          const std::string& folder)
      ABSL_LOCKS_EXCLUDED(publish_mu_);
  // What PublishImport would say of the name. ALREADY_EXISTS (MODEL_TAKEN).
  absl::Status CheckImportName(const std::string& model_id, const std::string& owner);
  // Whether the model has versions that were imported: a job's cannot become another one.
  absl::StatusOr<bool> IsImported(const std::string& model_id);

  // Who asks. For whom it is not visible a model of somebody else does not exist.
  struct Viewer {
    std::string owner;
    bool admin = false;
  };
  // `name`, here and below: every form that ParseModelName takes. NOT_FOUND (MODEL_NOT_FOUND).
  absl::StatusOr<v1::Model> Get(absl::string_view name, const Viewer& viewer);
  // INVALID_ARGUMENT (BAD_PAGE_TOKEN).
  absl::StatusOr<v1::ListModelsResponse> List(const v1::ListModelsRequest& request,
                                              const Viewer& viewer);
  // Errors of these are those of model_service.proto.
  absl::StatusOr<v1::Model> SetAlias(absl::string_view name, const std::string& alias,
                                     const Viewer& viewer);
  absl::Status DeleteAlias(absl::string_view name, const Viewer& viewer);
  // `user_of`: a job that needs the model "models/M/versions/N", "jobs/J"; empty: none does.
  using UserOf = std::function<absl::StatusOr<std::string>(const std::string& model)>;
  absl::Status Delete(absl::string_view name, const Viewer& viewer, const UserOf& user_of)
      ABSL_LOCKS_EXCLUDED(publish_mu_);
  // What the card of `model`, which Get or Publish answered, says that it was trained by. DATA_LOSS
  // (MODEL_CORRUPT).
  absl::StatusOr<v1::Experiment> ExperimentOf(const v1::Model& model) const;
  // Folder of `model`, which Get or Publish answered.
  std::string DirOf(const v1::Model& model) const;

 private:
  // Whose models `viewer` sees; nullopt: everybody's.
  std::optional<std::string> OwnerFor(const Viewer& viewer) const;
  // The row that `name` stands for, with the model's aliases. MODEL_NOT_FOUND, of a version or
  // alias that is not there with those that are.
  struct Found {
    ModelRow row;
    std::vector<ModelAlias> aliases;
  };
  absl::StatusOr<Found> Find(const ModelName& name, const Viewer& viewer);
  // The same for a change. NOT_OWNER.
  absl::StatusOr<Found> FindToChange(const ModelName& name, const Viewer& viewer);
  // Makes the next version of `id` from `folder` and stores its row. `model` says already what the
  // folder does not.
  absl::StatusOr<v1::Model> PublishFolder(const std::string& folder, const std::string& id,
                                          const std::string& job_uid, int last_version,
                                          v1::Model model)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(publish_mu_);
  // Whether `folder` has the files of `model` and none besides.
  absl::StatusOr<bool> HasFilesOf(const v1::Model& model, const std::string& folder);
  // Links or copies the folder's files to models/<id>/<version>/ and describes them in `model`.
  absl::Status CopyFiles(const std::string& from, const std::string& id, int version,
                         v1::Model* model);

  const std::string models_dir_;
  Database& database_;
  FileSystem& fs_;
  Clock& clock_;
  const bool visible_to_all_;
  Mutex publish_mu_;  // One publication or deletion at a time: version numbers and folders.
};

}  // namespace skytrain
