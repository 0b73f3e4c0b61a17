#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain {

// A file that is written from its end on. Not thread-safe.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // All of `data`, or an error: RESOURCE_EXHAUSTED when the disk is full (part of `data` may then
  // be on disk).
  virtual absl::Status Append(absl::string_view data) = 0;
  // Returns when everything appended is on the disk (fdatasync). After an error the file's state is
  // unknown: do not try again.
  virtual absl::Status Sync() = 0;
  virtual absl::Status Close() = 0;
  // Bytes in the file, counting what a failed Append left behind.
  virtual uint64_t size() const = 0;
};

// What lies at a path.
struct FileInfo {
  enum class Kind { kFile, kFolder, kOther };  // kOther: links, FIFOs, devices.
  Kind kind = Kind::kOther;
  uint64_t bytes = 0;       // As far as the file reaches.
  uint64_t disk_bytes = 0;  // What it takes: less where it has holes.
  absl::Time modified;
  uint32_t uid = 0;  // Its owner.
};

// The seam under spools, checkpoints and renames: everything whose order of writes and syncs
// matters goes through it, so that tests can record it, make it fail, and replay it cut off at any
// sync as a power loss would. Thread-safe. Errors carry the path. NOT_FOUND, ALREADY_EXISTS,
// PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk full) are told apart.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // ALREADY_EXISTS when there is such a file (O_EXCL).
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> CreateExclusive(
      const std::string& path) = 0;
  // Created when absent, else appended to.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> OpenAppend(const std::string& path) = 0;
  // Reserves the blocks of `bytes` bytes for `path`, made when it is absent, and syncs.
  virtual absl::Status Reserve(const std::string& path, uint64_t bytes) = 0;
  // Replaces the first bytes of `path`, made when it is absent, in place, and syncs. What was
  // reserved before can be written on a full disk.
  virtual absl::Status Overwrite(const std::string& path, absl::string_view data) = 0;
  // A second name for the same file. FAILED_PRECONDITION where the file system cannot do that.
  virtual absl::Status Link(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status CreateDir(const std::string& path) = 0;
  // With everything below it; links are removed, not followed. OK when there is no such folder.
  virtual absl::Status RemoveTree(const std::string& path) = 0;
  // Makes names created, renamed or removed in `path` survive a power loss.
  virtual absl::Status SyncDir(const std::string& path) = 0;

  // Reading does not change what is on disk, so it needs no fake: these are here for their error
  // texts. ReadFile: OUT_OF_RANGE when the file is larger than `max_bytes`. ListDir: names, sorted.
  virtual absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) = 0;
  virtual absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path) = 0;
  virtual bool Exists(const std::string& path) = 0;

  enum class Access { kRead, kReadWrite };
  // A descriptor of a regular file that exists; the caller closes it. FAILED_PRECONDITION for
  // anything else: a folder, or a FIFO, for which one would wait.
  virtual absl::StatusOr<int> Open(const std::string& path, Access access);
  // Of `path` itself: a link is not followed.
  virtual absl::StatusOr<FileInfo> Info(const std::string& path);
  // Cuts a regular file to its first `bytes` bytes.
  virtual absl::Status Truncate(const std::string& path, uint64_t bytes);

  // The real one.
  static FileSystem& Posix();
};

// The folder that holds `path`: "/a" for "/a/b", "/" for "/a", "." for "a". No slash at the end.
std::string ParentOf(absl::string_view path);

// Makes `path` and the folders above it that are missing, with permissions `mode`, each name
// synced: after a power loss whatever is stored below it is still found. OK when it is there.
absl::Status MakeFolders(const std::string& path, unsigned mode);

// The content of the regular file `fd`, which is closed, of at most `max_bytes`. The errors of
// ReadFile.
absl::StatusOr<std::string> ReadAndClose(int fd, const std::string& path, uint64_t max_bytes);

// A synced copy. OUT_OF_RANGE when `from` has more than `max_bytes`, or grows while it is read;
// what was written of `to` is then removed.
absl::Status CopyFile(FileSystem& fs, const std::string& from, const std::string& to,
                      uint64_t max_bytes);

// Replaces `path` with `content` atomically: PATH.tmp written and synced, renamed, parent synced.
absl::Status WriteFileAtomically(FileSystem& fs, const std::string& path,
                                 absl::string_view content);

}  // namespace skytrain
