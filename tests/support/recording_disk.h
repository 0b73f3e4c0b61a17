#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file/file_system.h"
#include "tests/support/disk_log.h"
#include "tests/support/vfs_shim.h"

namespace skytrain {

// The real file system, with what is done below the log's folder recorded. Files are not synced
// for real, which only a real power loss would notice. Thread-safe.
class RecordingFileSystem : public FileSystem {
 public:
  explicit RecordingFileSystem(DiskLog& log) : log_(log) {}

  absl::StatusOr<std::unique_ptr<WritableFile>> CreateExclusive(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<WritableFile>> OpenAppend(const std::string& path) override;
  absl::Status Reserve(const std::string& path, uint64_t bytes) override;
  absl::Status Overwrite(const std::string& path, absl::string_view data) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status CreateDir(const std::string& path) override;
  absl::Status RemoveTree(const std::string& path) override;
  absl::Status SyncDir(const std::string& path) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) override;
  absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path) override;
  bool Exists(const std::string& path) override;

 private:
  class File;
  void RecordSync(const std::string& path, bool folder) {
    log_.EndSync(log_.BeginSync(path, folder));
  }

  DiskLog& log_;
};

// The same for SQLite: a VfsShim with this observer. The "-shm" file is left out: SQLite makes it
// anew after a start of the machine.
class RecordingVfsObserver : public VfsObserver {
 public:
  explicit RecordingVfsObserver(DiskLog& log) : log_(log) {}
  int Before(const VfsOperation& operation) override;
  void After(const VfsOperation& operation) override;

 private:
  DiskLog& log_;
};

}  // namespace skytrain
