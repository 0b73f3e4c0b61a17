#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"

namespace skytrain {

// Rows of the tables `blobs` and `blob_owners`.
struct BlobRow {
  std::string sha256;
  int64_t size = 0;
  int64_t create_time = 0;  // Seconds since 1970.
  int64_t use_time = 0;
};

// Adds the blob where it is new, and `owner` to those who sent it.
absl::Status InsertBlob(Connection& connection, const BlobRow& row, absl::string_view owner);
absl::StatusOr<std::optional<BlobRow>> FindBlob(Connection& connection, absl::string_view sha256);
absl::StatusOr<bool> OwnsBlob(Connection& connection, absl::string_view sha256,
                              absl::string_view owner);
// Bytes of all blobs that `owner` sent.
absl::StatusOr<int64_t> BytesOfOwner(Connection& connection, absl::string_view owner);
absl::Status SetBlobUseTime(Connection& connection, absl::string_view sha256, int64_t use_time);
absl::StatusOr<std::vector<BlobRow>> AllBlobs(Connection& connection);
// False, and nothing is removed, when it was used after `use_time`.
absl::StatusOr<bool> DeleteBlob(Connection& connection, absl::string_view sha256, int64_t use_time);

}  // namespace skytrain
