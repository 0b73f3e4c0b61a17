#include "server/blobs/blob_errors.h"

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace skytrain {

absl::Status BlobNotFound(absl::string_view name) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "BLOB_NOT_FOUND",
                         absl::StrCat("there is no file ", name));
}

absl::Status BlobCorrupt(absl::string_view name, absl::string_view what, absl::string_view remedy) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "BLOB_CORRUPT",
                         absl::StrCat(name, " is damaged on the server: ", what, ". ", remedy));
}

absl::Status BadChunk(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_CHUNK", what);
}

absl::Status ChunkCorrupt(int64_t offset) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "CHUNK_CORRUPT",
                         absl::StrCat("the chunk at byte ", offset,
                                      " does not have the checksum that came with it. Send it "
                                      "again"));
}

absl::Status DigestMismatch(absl::string_view name, absl::string_view sha256) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "DIGEST_MISMATCH",
                         absl::StrCat("what arrived as ", name, " has the SHA-256 ", sha256,
                                      " and is thrown away: the file changed while it was sent. "
                                      "Send it again from the start"));
}

absl::Status BlobTooLarge(int64_t size, int64_t limit) {
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, "BLOB_TOO_LARGE",
                         absl::StrCat("a file of ", size, " bytes is more than the ", limit,
                                      " that this server takes (limits.upload_bytes). Name data "
                                      "that lies on the server by its path instead"));
}

absl::Status BlobQuota(int64_t size, int64_t used, int64_t limit) {
  return ErrorWithReason(
      absl::StatusCode::kResourceExhausted, "BLOB_QUOTA",
      absl::StrCat(size, " bytes do not fit: your uploads hold ", used, " of ", limit,
                   " bytes (limits.upload_bytes_per_owner). Have uploads that "
                   "no job uses removed: skytrain gc"));
}

absl::Status UploadBusy(absl::string_view name) {
  return ErrorWithReason(absl::StatusCode::kAborted, "UPLOAD_BUSY",
                         absl::StrCat("another stream of yours sends ", name,
                                      " now. Wait for it, or stop it and try again"));
}

absl::Status BlobStoreFull(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, "STORE_FULL",
                         absl::StrCat("the server's disk is full: ", what,
                                      ". Have space freed there, then send it again: what arrived "
                                      "is kept"));
}

}  // namespace skytrain
