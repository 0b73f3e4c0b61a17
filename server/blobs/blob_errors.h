#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace skytrain {

// Every error of a blob that a client can see; documented in blob_service.proto.

absl::Status BlobNotFound(absl::string_view name);
// `what`: what was found; `remedy`: how to get it back.
absl::Status BlobCorrupt(absl::string_view name, absl::string_view what, absl::string_view remedy);
absl::Status BadChunk(absl::string_view what);
absl::Status ChunkCorrupt(int64_t offset);
absl::Status DigestMismatch(absl::string_view name, absl::string_view sha256);
absl::Status BlobTooLarge(int64_t size, int64_t limit);
absl::Status BlobQuota(int64_t size, int64_t used, int64_t limit);
absl::Status UploadBusy(absl::string_view name);
absl::Status BlobStoreFull(absl::string_view what);

}  // namespace skytrain
