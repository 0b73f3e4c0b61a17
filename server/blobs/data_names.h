#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/blobs/upload_store.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain {

// The blobs that `data` names instead of paths, "blobs/{sha256}".
std::vector<std::string> BlobNamesOf(const v1::Data& data);

// Puts the path of its file in place of each blob that `data` names, once it is known to be what
// `owner` sent, and remembers the use. The files are added to `roots`, since they lie below none,
// unless that is empty: data may then lie anywhere. NOT_FOUND (BLOB_NOT_FOUND), DATA_LOSS
// (BLOB_CORRUPT).
absl::Status LocateBlobs(UploadStore& uploads, const std::string& owner, v1::Data& data,
                         std::vector<std::string>& roots);

}  // namespace skytrain
