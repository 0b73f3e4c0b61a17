#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "server/datasets/dataset_rows.h"
#include "server/datasets/inspector.h"
#include "server/store/database.h"
#include "skytrain/v1/dataset_service.pb.h"

namespace skytrain {

// Names for data sets: the rows of `datasets`, and what a name in `data.dataset` stands for.
// Thread-safe; calls block on the disk, and those that look at files as Inspector does.
class DatasetRegistry {
 public:
  struct Options {
    bool visible_to_all = false;  // Everybody may read everybody's.
    int64_t max_per_owner = 1000;
  };
  // Everything given must outlive this.
  DatasetRegistry(Options options, Database& database, Inspector& inspector, Clock& clock)
      : options_(options), database_(database), inspector_(inspector), clock_(clock) {}

  // Who asks. What of somebody else is not visible does not exist.
  struct Viewer {
    std::string owner;
    bool admin = false;
  };

  // Errors are those of dataset_service.proto.
  absl::StatusOr<v1::Dataset> Register(const v1::Dataset& dataset, const std::string& owner);
  // `name`: every form that ParseDatasetName takes.
  absl::StatusOr<v1::Dataset> Get(absl::string_view name, const Viewer& viewer);
  absl::StatusOr<v1::ListDatasetsResponse> List(const v1::ListDatasetsRequest& request,
                                                const Viewer& viewer);
  absl::Status Delete(absl::string_view name, const Viewer& viewer);

  // Where `data.dataset` is a registered name, puts what it stands for in its place, and its
  // policies where `data` has none. The data set; nullopt: `data` names none and is as it was.
  absl::StatusOr<std::optional<v1::Dataset>> Resolve(const std::string& owner, v1::Data& data);
  // As Inspector::Inspect, of what names stand for. A classification that names no target has that
  // of the data set.
  absl::StatusOr<v1::DatasetManifest> Inspect(const v1::Data& data, const v1::Task& task,
                                              const std::string& owner, bool unlabelled = false);
  // As Inspector::Preview, of what names stand for.
  absl::StatusOr<v1::PreviewDatasetResponse> Preview(const v1::PreviewDatasetRequest& request,
                                                     const std::string& owner);
  // The source of every data set: what is registered is in use.
  absl::StatusOr<std::vector<v1::Data>> Sources();

 private:
  // Whose data sets `viewer` sees; nullopt: everybody's.
  std::optional<std::string> OwnerFor(const Viewer& viewer) const;
  // The caller's own before others', the oldest of those; nullopt: none that the viewer sees.
  absl::StatusOr<std::optional<DatasetRow>> Find(const std::string& name, const Viewer& viewer);
  // DATASET_NOT_FOUND, with the nearest name.
  absl::Status NotFound(absl::string_view name, const Viewer& viewer);
  // `error` of looking at `data`; of a text that could have been a name it says that it is none.
  absl::Status Explain(const absl::Status& error, const v1::Data& data, const Viewer& viewer);

  const Options options_;
  Database& database_;
  Inspector& inspector_;
  Clock& clock_;
};

}  // namespace skytrain
