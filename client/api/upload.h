#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/api/client.h"
#include "client/api/retry.h"
#include "skytrain/v1/blob_service.pb.h"

namespace skytrain::client {

struct UploadOptions {
  std::string path;
  // Bytes read for the SHA-256 that names the file (`hashing`), then bytes that the server has.
  std::function<void(bool hashing, int64_t done, int64_t size)> progress;
  // The server has the first `done` bytes already, from an earlier run of the program.
  std::function<void(int64_t done)> goes_on;
  Backoff backoff;
};

// Sends a file and answers its blob, "blobs/{sha256}". Goes on behind what the server has of it
// already, from an earlier try or another run of the program, and tries a broken link again while
// bytes still get through. Errors are those of WriteBlob; INVALID_ARGUMENT (UNREADABLE_FILE) for
// what is no file, or changes meanwhile.
absl::StatusOr<v1::Blob> Upload(Client& client, UploadOptions options);

}  // namespace skytrain::client
