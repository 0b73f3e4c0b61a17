#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/digest/digest.h"
#include "common/file/file_system.h"
#include "server/blobs/verified_files.h"
#include "skytrain/v1/blob_service.pb.h"

namespace skytrain {

// What a resource name stands for.
struct LocatedBlob {
  v1::Blob blob;
  std::string path;
  std::string remedy;                     // What to do when the file is damaged.
  FileSystem* fs = &FileSystem::Posix();  // Opens it with the rights that its place asks for.
};

// A file that is being sent, and compared with its SHA-256 on the way: a stream from the first byte
// on withholds the last chunk until the digest of everything is right; one that begins later starts
// with a file that is known to be right. Not thread-safe.
class BlobReader {
 public:
  // OUT_OF_RANGE (OFFSET_OUT_OF_RANGE), DATA_LOSS (BLOB_CORRUPT).
  static absl::StatusOr<std::unique_ptr<BlobReader>> Open(LocatedBlob located, int64_t offset,
                                                          VerifiedFiles& verified);
  ~BlobReader();
  BlobReader(const BlobReader&) = delete;
  BlobReader& operator=(const BlobReader&) = delete;

  // The next chunk (512 KiB; the last one is shorter) with its offset and CRC-32C. False at the
  // end. DATA_LOSS (BLOB_CORRUPT).
  absl::StatusOr<bool> Next(v1::ReadBlobResponse* chunk);

 private:
  BlobReader(int fd, LocatedBlob located, int64_t offset, const struct stat& info,
             VerifiedFiles& verified);
  absl::Status Corrupt(absl::string_view what) const;
  // After the last byte of a stream that began with the first.
  absl::Status CheckDigest();

  const int fd_;
  const LocatedBlob located_;
  const struct stat info_;
  VerifiedFiles& verified_;
  int64_t offset_;
  std::unique_ptr<Sha256> digest_;  // Null when the stream began later.
};

}  // namespace skytrain
