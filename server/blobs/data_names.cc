#include "server/blobs/data_names.h"

#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

// Every place of `data` that names a file.
std::vector<std::string*> PlacesOf(v1::Data& data) {
  std::vector<std::string*> places;
  if (data.has_dataset()) places.push_back(data.mutable_dataset());
  if (!data.has_files()) return places;
  for (std::string& images : *data.mutable_files()->mutable_images()) places.push_back(&images);
  places.push_back(data.mutable_files()->mutable_table());
  if (!data.has_splits()) return places;
  v1::Splits& splits = *data.mutable_splits();
  const auto add = [&](v1::Split& split) {
    if (split.has_table()) places.push_back(split.mutable_table());
  };
  if (splits.has_train()) add(*splits.mutable_train());
  if (splits.has_validation()) add(*splits.mutable_validation());
  if (splits.has_test()) add(*splits.mutable_test());
  return places;
}

}  // namespace

std::vector<std::string> BlobNamesOf(const v1::Data& data) {
  v1::Data copy = data;
  std::vector<std::string> names;
  for (const std::string* place : PlacesOf(copy)) {
    if (ParseBlobName(*place).ok()) names.push_back(*place);
  }
  return names;
}

absl::Status LocateBlobs(UploadStore& uploads, const NameForOwner& name_for_owner,
                         const std::string& owner, v1::Data& data,
                         std::vector<std::string>& roots) {
  const bool anywhere = roots.empty();
  for (std::string* place : PlacesOf(data)) {
    const absl::StatusOr<std::string> sha256 = ParseBlobName(*place);
    if (!sha256.ok()) continue;
    ASSIGN_OR_RETURN(*place, uploads.PathForJob(*sha256, owner));
    if (name_for_owner) {
      ASSIGN_OR_RETURN(*place, name_for_owner(owner, *place, *sha256));
    }
    if (!anywhere) roots.push_back(*place);
  }
  return absl::OkStatus();
}

}  // namespace skytrain
