#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/file/file_system.h"
#include "common/mutex.h"

namespace skytrain {

// The real file system with a record of what was done, faults on demand, and power cuts. Files are
// real, below a TempDir of the test. Thread-safe.
class FaultInjectingFileSystem : public FileSystem {
 public:
  struct Operation {
    enum class Kind {
      kCreate,
      kOpen,
      kAppend,
      kSync,
      kClose,
      kReserve,
      kOverwrite,
      kLink,
      kRename,
      kRemove,
      kCreateDir,
      kRemoveTree,
      kSyncDir
    };
    Kind kind;
    std::string path;  // For a rename, the new one.
    size_t bytes = 0;  // Of an append.
  };

  // What was tried so far, in order, failed ones too.
  std::vector<Operation> operations() const;
  // The changing operation with this number (from 0, counted from now on) fails with `status`; an
  // append then writes its first `torn_bytes` before it fails.
  void FailOperation(size_t number, absl::Status status, size_t torn_bytes = 0);
  // From now on appends fail as on a full disk once `bytes` more were written.
  void LimitDisk(uint64_t bytes);
  void UnlimitDisk();
  // As after a power loss: every file is cut to its size at its last sync, and a file whose name
  // was never synced with its folder is gone. Files must be closed, or not be written to any more.
  void DropUnsynced();

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
  struct Durable {
    uint64_t synced_bytes = 0;
    bool name_synced = false;
  };
  struct Fault {
    size_t number;  // Counted from the first operation of all.
    absl::Status status;
    size_t torn_bytes;
  };

  // Records the operation and returns what it must fail with. `allowed`: how many bytes of an
  // append are written all the same.
  absl::Status Begin(Operation operation, size_t* allowed = nullptr);
  absl::StatusOr<std::unique_ptr<WritableFile>> Wrap(
      const std::string& path, bool is_new, absl::StatusOr<std::unique_ptr<WritableFile>> file);

  mutable Mutex mu_;
  std::vector<Operation> operations_ ABSL_GUARDED_BY(mu_);
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mu_);
  std::optional<uint64_t> disk_left_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Durable> files_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
