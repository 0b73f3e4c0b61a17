#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/mutex.h"
#include "server/blobs/blob_reader.h"
#include "server/blobs/blob_rows.h"
#include "server/blobs/chunk_writer.h"
#include "server/blobs/verified_files.h"
#include "server/store/database.h"

namespace skytrain {

class Upload;

// Files that clients sent, by their SHA-256:
//
//   DIR/aa/<sha256>                  whole, with a row in `blobs`; "aa" are the first two digits
//   DIR/parts/<sha256>.<tag>.part    what has arrived so far; <tag> stands for the owner
//
// 1. A stream appends to its part, checked chunk by chunk; the part's size is how far it is, and is
//    synced before a client hears of it.
// 2. The last byte there: part synced, SHA-256 compared, linked, folder synced, row committed, part
//    removed, in this order. So a row means a whole file, and until there is one the part is there;
//    a file without a row is garbage, or is published again by whoever sends it again.
// 3. Each owner has parts of their own and sends everything once, also what somebody else has sent:
//    who knows only the digest of a file does not get at it. Admins may read all of it anyway, so
//    theirs it becomes by its digest alone.
//
// Thread-safe; calls block on the disk.
class UploadStore {
 public:
  struct Options {
    std::string dir;                             // Made when absent.
    int64_t max_bytes = int64_t{1} << 40;        // Of one blob.
    int64_t max_owner_bytes = int64_t{1} << 40;  // Of all blobs and parts of an owner.
    int64_t reserve_bytes = int64_t{256} << 20;  // Kept free for everything else.
  };
  // Everything given must outlive the store.
  static absl::StatusOr<std::unique_ptr<UploadStore>> Open(Options options, Database& database,
                                                           FileSystem& fs, Clock& clock);

  // Of `owner`'s own parts, and of whole blobs that `owner` sent. NOT_FOUND (BLOB_NOT_FOUND).
  absl::StatusOr<v1::Blob> Stat(const std::string& sha256, const std::string& owner);
  // A whole blob; `owner` nullopt: of anybody. NOT_FOUND (BLOB_NOT_FOUND).
  absl::StatusOr<LocatedBlob> Find(const std::string& sha256,
                                   const std::optional<std::string>& owner);
  // The same for a job's data, and remembers the use.
  absl::StatusOr<std::string> PathForJob(const std::string& sha256, const std::string& owner);

  // Null: the blob is there whole already, and so is `owner`'s right to it; to an admin it is given
  // where somebody else has sent the blob. RESOURCE_EXHAUSTED (BLOB_TOO_LARGE, BLOB_QUOTA,
  // STORE_FULL), ABORTED (UPLOAD_BUSY).
  absl::StatusOr<std::unique_ptr<Upload>> Begin(const std::string& sha256, int64_t size,
                                                const std::string& owner, bool admin = false);

  // What nobody used for `max_age`: whole blobs but those of `in_use` (names), and left-over parts.
  struct Garbage {
    std::string name;  // "blobs/{sha256}"; several parts may have the same.
    std::string path;
    int64_t bytes = 0;
    absl::Time last_use;
  };
  absl::StatusOr<std::vector<Garbage>> FindGarbage(absl::Duration max_age,
                                                   const absl::flat_hash_set<std::string>& in_use);
  // Removes what FindGarbage answered, unless it was used since; false then.
  absl::StatusOr<bool> Remove(const Garbage& garbage) ABSL_LOCKS_EXCLUDED(publish_mu_);

  VerifiedFiles& verified() { return verified_; }

 private:
  friend class Upload;
  UploadStore(Options options, Database& database, FileSystem& fs, Clock& clock);

  std::string PathOf(const std::string& sha256) const;
  std::string PartPath(const std::string& sha256, const std::string& owner) const;
  absl::StatusOr<std::optional<BlobRow>> RowFor(const std::string& sha256,
                                                const std::optional<std::string>& owner);
  bool IsWhole(const std::string& sha256, int64_t size);
  // Makes what somebody sent `owner`'s too. False: it is not there whole (any more).
  absl::StatusOr<bool> Share(const std::string& sha256, const std::string& owner)
      ABSL_LOCKS_EXCLUDED(mu_, publish_mu_);
  absl::Status CheckQuota(const std::string& part, int64_t size, const std::string& owner)
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status CheckSpace(const std::string& part, int64_t size, const std::string& owner)
      ABSL_LOCKS_EXCLUDED(mu_);
  // What other parts of `owner` take, or will once they are whole.
  int64_t PartBytes(const std::string& owner, const std::string& but) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::unique_ptr<ChunkWriter>> OpenPart(const std::string& part, int64_t size);
  absl::Status Publish(const std::string& sha256, int64_t size, const std::string& owner)
      ABSL_LOCKS_EXCLUDED(publish_mu_);
  void Release(const std::string& part) ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  Database& database_;
  FileSystem& fs_;
  Clock& clock_;
  VerifiedFiles verified_;

  Mutex publish_mu_;  // Held while a file gets or loses its name, and its row.
  Mutex mu_;
  absl::flat_hash_map<std::string, int64_t> active_ ABSL_GUARDED_BY(mu_);  // Part -> its size.
};

// One stream's upload. Its end, however it comes, syncs what arrived and lets another stream go on.
// Not thread-safe.
class Upload {
 public:
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // As ChunkWriter::Add. When the last byte has arrived: publishes. DATA_LOSS (DIGEST_MISMATCH).
  absl::Status Add(int64_t offset, absl::string_view data, uint32_t crc32c);
  int64_t received() const { return writer_->received(); }
  bool published() const { return published_; }
  // Publishes when everything had arrived before.
  absl::Status PublishIfComplete();

 private:
  friend class UploadStore;
  Upload(UploadStore& store, std::string sha256, int64_t size, std::string owner,
         std::unique_ptr<ChunkWriter> writer);
  void DropPart();

  UploadStore& store_;
  const std::string sha256_;
  const int64_t size_;
  const std::string owner_;
  const std::unique_ptr<ChunkWriter> writer_;
  bool published_ = false;
  bool finished_ = false;
};

}  // namespace skytrain
