#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "server/models/model_store.h"
#include "skytrain/v1/blob_service.pb.h"

namespace skytrain {

// A file that is being sent. Not thread-safe.
class BlobReader {
 public:
  ~BlobReader();
  BlobReader(const BlobReader&) = delete;
  BlobReader& operator=(const BlobReader&) = delete;

  // The next chunk (512 KiB; the last one is shorter) with its offset and CRC-32C. False at the
  // end. DATA_LOSS (BLOB_CORRUPT) when the file is shorter than it was.
  absl::StatusOr<bool> Next(v1::ReadBlobResponse* chunk);

 private:
  friend class BlobStore;
  BlobReader(int fd, std::string name, int64_t offset, int64_t size)
      : fd_(fd), name_(std::move(name)), offset_(offset), size_(size) {}
  const int fd_;
  const std::string name_;
  int64_t offset_;
  const int64_t size_;
};

// The bytes behind resource names: for now the files of models. Thread-safe; calls block on the
// disk.
class BlobStore {
 public:
  explicit BlobStore(ModelStore& models) : models_(models) {}

  // "models/{model}/versions/{version}/files/{file}". NOT_FOUND (BLOB_NOT_FOUND).
  absl::StatusOr<v1::Blob> Stat(absl::string_view name);
  // Reads from `offset` on. A file is compared with its SHA-256 before its first byte is sent, and
  // again only when its inode, size or times have changed, so that going on after a broken link is
  // cheap. NOT_FOUND (BLOB_NOT_FOUND), OUT_OF_RANGE (OFFSET_OUT_OF_RANGE), DATA_LOSS
  // (BLOB_CORRUPT).
  absl::StatusOr<std::unique_ptr<BlobReader>> Open(absl::string_view name, int64_t offset);

 private:
  struct Located {
    v1::Blob blob;
    std::string path;
  };
  absl::StatusOr<Located> Locate(absl::string_view name);
  absl::Status Verify(const Located& file, const std::string& identity) ABSL_LOCKS_EXCLUDED(mu_);

  ModelStore& models_;
  Mutex mu_;
  // Path -> identity of the file when its digest was right. One small entry for each file that was
  // ever fetched.
  absl::flat_hash_map<std::string, std::string> verified_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
