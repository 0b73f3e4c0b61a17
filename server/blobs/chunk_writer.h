#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/digest/digest.h"
#include "common/file/file_system.h"

namespace skytrain {

constexpr size_t kLongestChunk = 1 << 20;

// Puts the chunks of one stream behind what a file already holds, checking each. Not thread-safe.
class ChunkWriter {
 public:
  // `digest` has taken the bytes that `file` holds; `size` is what the whole will have, at least
  // that many.
  ChunkWriter(std::unique_ptr<WritableFile> file, std::unique_ptr<Sha256> digest, int64_t size);

  // The first chunk may begin anywhere up to received(), each other one where the one before ended;
  // what is there already is not written again. INVALID_ARGUMENT (BAD_CHUNK), DATA_LOSS
  // (CHUNK_CORRUPT), RESOURCE_EXHAUSTED (STORE_FULL). After an error the stream is over; what was
  // right stays.
  absl::Status Add(int64_t offset, absl::string_view data, uint32_t crc32c);

  int64_t received() const { return received_; }
  bool complete() const { return received_ == size_; }
  // Makes what was received survive a power loss. Also done now and then by Add.
  absl::Status Sync();
  // Syncs, closes, and answers the SHA-256 of everything. Once, when complete.
  absl::StatusOr<std::string> Finish();

 private:
  const std::unique_ptr<WritableFile> file_;
  const std::unique_ptr<Sha256> digest_;
  const int64_t size_;
  int64_t received_;
  int64_t synced_;
  int64_t next_ = -1;  // Where the next chunk has to begin; -1: before the first.
};

}  // namespace skytrain
