#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "client/api/client.h"
#include "client/api/retry.h"

namespace skytrain::client {

struct DownloadOptions {
  std::string blob;    // For BlobService.
  std::string path;    // Where it goes; bytes gather in PATH.part first.
  int64_t size = 0;    // Of the whole, as the server said.
  std::string sha256;  // Of the whole, hexadecimal.
  std::function<void(int64_t done)> progress;
  Backoff backoff;
};

// Fetches a file: goes on behind the bytes of an earlier try in PATH.part, checks each chunk by
// CRC32C and the whole by SHA-256, syncs and renames, so that PATH is never half a file. A broken
// link is tried again while bytes still come. DATA_LOSS (BLOB_CORRUPT) when the bytes are not those
// that the server named; nothing is left behind then.
absl::Status Download(Client& client, DownloadOptions options);

}  // namespace skytrain::client
