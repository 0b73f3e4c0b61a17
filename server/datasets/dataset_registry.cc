#include "server/datasets/dataset_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/page.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "server/spec/check.h"

namespace skytrain {
namespace {

constexpr size_t kMaxDescription = 1000;
// Of what is kept of a manifest; more has a table of very many columns, or a set without real
// classes.
constexpr size_t kMaxManifestBytes = 256 << 10;
constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;

absl::Status BadDataset(std::string field, std::string description) {
  return BadRequestError("BAD_DATASET", {{std::move(field), std::move(description)}});
}

absl::StatusOr<v1::Dataset> DatasetOf(const DatasetRow& row) {
  v1::Dataset dataset;
  if (row.damaged || !dataset.ParseFromString(row.proto)) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                           absl::StrCat("the row of data set ", row.name,
                                        " in the database is damaged: delete it and add it anew"));
  }
  return dataset;
}

// What is kept of the data of a request.
v1::Data KeptData(const v1::Data& data) {
  v1::Data kept;
  if (data.has_dataset()) kept.set_dataset(data.dataset());
  if (data.has_files()) *kept.mutable_files() = data.files();
  kept.set_unmatched(data.unmatched());
  kept.set_corrupt(data.corrupt());
  return kept;
}

// Other tasks than classification name their own columns.
v1::Task WithTarget(v1::Task task, const std::string& target) {
  const bool classifies = task.has_classification() || task.kind_case() == v1::Task::KIND_NOT_SET;
  if (classifies && task.classification().target().empty() && !target.empty()) {
    task.mutable_classification()->set_target(target);
  }
  return task;
}

v1::DatasetManifest KeptManifest(v1::DatasetManifest manifest) {
  if (manifest.ByteSizeLong() <= kMaxManifestBytes) return manifest;
  manifest.clear_classes();
  manifest.clear_columns();
  for (auto& split : *manifest.mutable_splits()) split.clear_class_counts();
  return manifest;
}

bool SameRegistration(const v1::Dataset& a, const v1::Dataset& b) {
  return a.data().SerializeAsString() == b.data().SerializeAsString() && a.target() == b.target() &&
         a.description() == b.description();
}

bool NamesUploads(const v1::Data& data) {
  const auto is_blob = [](const std::string& path) { return ParseBlobName(path).ok(); };
  return is_blob(data.dataset()) || is_blob(data.files().table()) ||
         std::any_of(data.files().images().begin(), data.files().images().end(), is_blob);
}

// "name owner": neither has a space in it where a name is one.
std::string TokenOf(const DatasetRow& row) { return absl::StrCat(row.name, " ", row.owner); }

absl::StatusOr<DatasetPosition> PositionOf(const std::string& token) {
  if (token.empty()) return DatasetPosition();
  const std::pair<std::string, std::string> parts = absl::StrSplit(token, absl::MaxSplits(' ', 1));
  if (!ParseDatasetName(parts.first).ok() || !absl::StrContains(token, ' ')) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_PAGE_TOKEN",
                           "page_token is not one that ListDatasets gave");
  }
  return DatasetPosition{parts.first, parts.second};
}

}  // namespace

std::optional<std::string> DatasetRegistry::OwnerFor(const Viewer& viewer) const {
  return viewer.admin || options_.visible_to_all ? std::nullopt : std::optional(viewer.owner);
}

absl::StatusOr<std::optional<DatasetRow>> DatasetRegistry::Find(const std::string& name,
                                                                const Viewer& viewer) {
  std::vector<DatasetRow> rows;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(rows, FindDatasets(connection, name, OwnerFor(viewer)));
    return absl::OkStatus();
  }));
  const auto own = std::find_if(rows.begin(), rows.end(),
                                [&](const DatasetRow& row) { return row.owner == viewer.owner; });
  if (own != rows.end()) return std::optional(std::move(*own));
  if (rows.empty()) return std::optional<DatasetRow>();
  return std::optional(std::move(rows.front()));
}

absl::Status DatasetRegistry::NotFound(absl::string_view name, const Viewer& viewer) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(names, DatasetNames(connection, OwnerFor(viewer)));
    return absl::OkStatus();
  }));
  const std::string nearest = NearestName(name, names);
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "DATASET_NOT_FOUND",
      absl::StrCat("no data set is registered as '", name, "'",
                   nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?")));
}

absl::StatusOr<v1::Dataset> DatasetRegistry::Register(const v1::Dataset& asked,
                                                      const std::string& owner) {
  ASSIGN_OR_RETURN(const std::string name, ParseDatasetName(asked.name()));
  if (asked.data().source_case() == v1::Data::SOURCE_NOT_SET) {
    return BadDataset("dataset.data", "needs `dataset` or `files`");
  }
  if (asked.description().size() > kMaxDescription) {
    return BadDataset("dataset.description",
                      absl::StrCat("must have at most ", kMaxDescription, " bytes, not ",
                                   asked.description().size()));
  }
  v1::Dataset dataset;
  dataset.set_name(DatasetName(name));
  dataset.set_owner(owner);
  dataset.set_target(asked.target());
  dataset.set_description(asked.description());
  *dataset.mutable_data() = KeptData(asked.data());
  // A name that stands for another one would change its meaning with it.
  ASSIGN_OR_RETURN(const auto other, Resolve(owner, *dataset.mutable_data()));
  if (other.has_value() && dataset.target().empty()) dataset.set_target(other->target());
  ASSIGN_OR_RETURN(v1::DatasetManifest manifest,
                   Inspect(dataset.data(), WithTarget({}, dataset.target()), owner));
  RETURN_IF_ERROR(spec::CheckUsable(dataset.data(), manifest));
  *dataset.mutable_manifest() = KeptManifest(std::move(manifest));
  const absl::Time now = clock_.Now();
  *dataset.mutable_create_time() = ToTimestamp(now);

  const DatasetRow row{owner, name, absl::ToUnixMicros(now), dataset.SerializeAsString()};
  v1::Dataset stored;
  RETURN_IF_ERROR(
      database_.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(const std::vector<DatasetRow> before,
                         FindDatasets(connection, name, owner));
        if (!before.empty()) {
          ASSIGN_OR_RETURN(stored, DatasetOf(before.front()));
          if (SameRegistration(stored, dataset)) return absl::OkStatus();
          return ErrorWithReason(
              absl::StatusCode::kAlreadyExists, "DATASET_EXISTS",
              absl::StrCat("there is already a data set '", name,
                           "', of other files or settings: delete it first, or take another name"));
        }
        ASSIGN_OR_RETURN(const int64_t count, CountDatasets(connection, owner));
        if (count >= options_.max_per_owner) {
          return ErrorWithReason(absl::StatusCode::kResourceExhausted, "TOO_MANY_DATASETS",
                                 absl::StrCat("you have ", count,
                                              " data sets registered, and may not have more. "
                                              "Delete some"));
        }
        stored = dataset;
        return InsertDataset(connection, row);
      }));
  return stored;
}

absl::StatusOr<v1::Dataset> DatasetRegistry::Get(absl::string_view name, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const std::string bare, ParseDatasetName(name));
  ASSIGN_OR_RETURN(const auto row, Find(bare, viewer));
  if (!row.has_value()) return NotFound(bare, viewer);
  return DatasetOf(*row);
}

absl::StatusOr<v1::ListDatasetsResponse> DatasetRegistry::List(
    const v1::ListDatasetsRequest& request, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const DatasetPosition after, PositionOf(request.page_token()));
  const int limit =
      request.page_size() > 0 ? std::min(request.page_size(), kMaxPageSize) : kDefaultPageSize;
  std::vector<DatasetRow> rows;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(rows, ListDatasets(connection, after, limit + 1, OwnerFor(viewer)));
    return absl::OkStatus();
  }));
  v1::ListDatasetsResponse response;
  int64_t bytes = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    bytes += static_cast<int64_t>(rows[i].proto.size());
    // One row more than asked for tells that there is another page.
    if (i == static_cast<size_t>(limit) || (bytes > kMaxPageBytes && i > 0)) return response;
    auto dataset = DatasetOf(rows[i]);
    if (dataset.ok()) *response.add_datasets() = *std::move(dataset);  // Damage hides no other.
    response.set_next_page_token(TokenOf(rows[i]));
  }
  response.clear_next_page_token();
  return response;
}

absl::Status DatasetRegistry::Delete(absl::string_view name, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const std::string bare, ParseDatasetName(name));
  ASSIGN_OR_RETURN(const auto row, Find(bare, viewer));
  if (!row.has_value()) return NotFound(bare, viewer);
  if (row->owner != viewer.owner && !viewer.admin) {
    return ErrorWithReason(absl::StatusCode::kPermissionDenied, "NOT_OWNER",
                           absl::StrCat("data set '", bare, "' belongs to ", row->owner,
                                        ": only they or an admin may delete it"));
  }
  bool deleted = false;
  RETURN_IF_ERROR(
      database_.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(deleted, DeleteDataset(connection, row->owner, bare));
        return absl::OkStatus();
      }));
  return deleted ? absl::OkStatus() : NotFound(bare, viewer);
}

absl::StatusOr<std::optional<v1::Dataset>> DatasetRegistry::Resolve(const std::string& owner,
                                                                    v1::Data& data) {
  const absl::StatusOr<std::string> name = ParseDatasetName(data.dataset());
  if (!data.has_dataset() || !name.ok()) return std::optional<v1::Dataset>();
  ASSIGN_OR_RETURN(const auto row, Find(*name, {owner, /*admin=*/false}));
  if (!row.has_value()) return std::optional<v1::Dataset>();
  ASSIGN_OR_RETURN(v1::Dataset dataset, DatasetOf(*row));
  if (row->owner != owner && NamesUploads(dataset.data())) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "NOT_OWNER",
        absl::StrCat("data set '", *name, "' is of files that ", row->owner,
                     " uploaded, which nobody else may read. A path on the server can be shared"));
  }
  if (dataset.data().has_files()) {
    *data.mutable_files() = dataset.data().files();
  } else {
    data.set_dataset(dataset.data().dataset());
  }
  if (data.unmatched() == v1::Data::POLICY_UNSPECIFIED) {
    data.set_unmatched(dataset.data().unmatched());
  }
  if (data.corrupt() == v1::Data::POLICY_UNSPECIFIED) data.set_corrupt(dataset.data().corrupt());
  return std::optional(std::move(dataset));
}

absl::Status DatasetRegistry::Explain(const absl::Status& error, const v1::Data& data,
                                      const Viewer& viewer) {
  const absl::StatusOr<std::string> name = ParseDatasetName(data.dataset());
  if (ReasonOf(error) != "DATA_NOT_FOUND" || !data.has_dataset() || !name.ok()) return error;
  const absl::Status unknown = NotFound(*name, viewer);
  if (!absl::IsNotFound(unknown)) return error;
  return ErrorWithReason(error.code(), "DATA_NOT_FOUND",
                         absl::StrCat(error.message(), "; and ", unknown.message()));
}

absl::StatusOr<v1::DatasetManifest> DatasetRegistry::Inspect(const v1::Data& data,
                                                             const v1::Task& task,
                                                             const std::string& owner,
                                                             bool unlabelled) {
  v1::Data files = data;
  ASSIGN_OR_RETURN(const auto dataset, Resolve(owner, files));
  auto manifest = inspector_.Inspect(
      files, dataset.has_value() ? WithTarget(task, dataset->target()) : task, owner, unlabelled);
  if (manifest.ok() || dataset.has_value()) return manifest;
  return Explain(manifest.status(), data, {owner, /*admin=*/false});
}

absl::StatusOr<v1::PreviewDatasetResponse> DatasetRegistry::Preview(
    const v1::PreviewDatasetRequest& request, const std::string& owner) {
  v1::PreviewDatasetRequest of_files = request;
  ASSIGN_OR_RETURN(const auto dataset, Resolve(owner, *of_files.mutable_data()));
  if (dataset.has_value()) {
    *of_files.mutable_task() = WithTarget(request.task(), dataset->target());
  }
  auto preview = inspector_.Preview(of_files, owner);
  if (preview.ok() || dataset.has_value()) return preview;
  return Explain(preview.status(), request.data(), {owner, /*admin=*/false});
}

absl::StatusOr<std::vector<v1::Data>> DatasetRegistry::Sources() {
  constexpr int kAtOnce = 200;
  std::vector<v1::Data> sources;
  std::vector<DatasetRow> rows;
  DatasetPosition after;
  do {
    RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(rows, ListDatasets(connection, after, kAtOnce, std::nullopt));
      return absl::OkStatus();
    }));
    for (const DatasetRow& row : rows) {
      after = {row.name, row.owner};
      auto dataset = DatasetOf(row);
      if (dataset.ok()) sources.push_back(std::move(*dataset->mutable_data()));
    }
  } while (rows.size() == kAtOnce);
  return sources;
}

}  // namespace skytrain
