#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/blobs/upload_store.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain {

// The blobs that `data` names instead of paths, "blobs/{sha256}".
std::vector<std::string> BlobNamesOf(const v1::Data& data);

// Puts the path of its file in place of each blob that `data` names, once it is known to be what
// `owner` sent, and remembers the use. The files are added to `roots`, since they lie below none,
// unless that is empty: data may then lie anywhere. NOT_FOUND (BLOB_NOT_FOUND), DATA_LOSS
// (BLOB_CORRUPT). `name_for_owner`: the path by which `owner` reaches the store's file PATH, which
// has the given digest, where jobs run as their owners; may be empty.
using NameForOwner = std::function<absl::StatusOr<std::string>(
    const std::string& owner, const std::string& path, const std::string& sha256)>;
absl::Status LocateBlobs(UploadStore& uploads, const NameForOwner& name_for_owner,
                         const std::string& owner, v1::Data& data, std::vector<std::string>& roots);

}  // namespace skytrain
