#pragma once

#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/mutex.h"
#include "server/store/database.h"
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

  // Who asks. For whom it is not visible a model of somebody else does not exist.
  struct Viewer {
    std::string owner;
    bool admin = false;
  };
  // `name`: every form that ParseModelName takes. NOT_FOUND (MODEL_NOT_FOUND).
  absl::StatusOr<v1::Model> Get(absl::string_view name, const Viewer& viewer);
  // INVALID_ARGUMENT (BAD_PAGE_TOKEN).
  absl::StatusOr<v1::ListModelsResponse> List(const v1::ListModelsRequest& request,
                                              const Viewer& viewer);
  // Folder of `model`, which Get or Publish answered.
  std::string DirOf(const v1::Model& model) const;

 private:
  // Whose models `viewer` sees; nullopt: everybody's.
  std::optional<std::string> OwnerFor(const Viewer& viewer) const;
  // Links or copies the attempt's files to models/<id>/<version>/ and describes them in `model`.
  absl::Status CopyFiles(const std::string& from, const std::string& id, int version,
                         v1::Model* model);

  const std::string models_dir_;
  Database& database_;
  FileSystem& fs_;
  Clock& clock_;
  const bool visible_to_all_;
  Mutex publish_mu_;  // One publication at a time: version numbers and folders.
};

}  // namespace skytrain
