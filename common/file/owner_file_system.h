#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file/file_identity.h"
#include "common/file/file_system.h"

namespace skytrain {

// A file system for root in which some folders belong to users. Below each of `parents` (attempts/,
// cache/, …), which only root may write to, lie entries that root made and gave to a user. Every
// operation below an entry runs with the rights of whoever owns the entry (uid and gid, no other
// groups). So nothing that the user puts there (a link to another folder, a name for somebody
// else's file) leads further than the user could go alone. Besides, what is read there must be a
// regular file or folder and no link: nothing waits for a FIFO, and folders with more than 65,536
// names are not listed. Entries themselves are made, moved and removed by root; an entry that root
// still owns, and all other paths, are as `base` has them. Thread-safe.
class OwnerFileSystem : public FileSystem {
 public:
  OwnerFileSystem(FileSystem& base, std::vector<std::string> parents);

  absl::StatusOr<std::unique_ptr<WritableFile>> CreateExclusive(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<WritableFile>> OpenAppend(const std::string& path) override;
  absl::Status Reserve(const std::string& path, uint64_t bytes) override;
  absl::Status Overwrite(const std::string& path, absl::string_view data) override;
  // FAILED_PRECONDITION when either path lies below an entry: what a user can still change, or
  // exchange, becomes no second name for anything.
  absl::Status Link(const std::string& from, const std::string& to) override;
  // FAILED_PRECONDITION from below an entry to anywhere else.
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status CreateDir(const std::string& path) override;
  absl::Status RemoveTree(const std::string& path) override;
  absl::Status SyncDir(const std::string& path) override;
  absl::Status Truncate(const std::string& path, uint64_t bytes) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) override;
  absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path) override;
  bool Exists(const std::string& path) override;
  absl::StatusOr<int> Open(const std::string& path, Access access) override;
  absl::StatusOr<FileInfo> Info(const std::string& path) override;

 private:
  // Where a path lies.
  struct Place {
    bool is_parent = false;  // One of the parents.
    std::string entry;       // Path of the entry that it is or lies below; empty: of none.
    bool below = false;      // Below the entry.
  };
  Place PlaceOf(absl::string_view path) const;
  // Calls `operation` with the rights that `path` asks for.
  template <typename Operation>
  auto As(const std::string& path, Operation operation) -> decltype(operation());
  absl::Status RemoveEntry(const std::string& entry);

  FileSystem& base_;
  const std::vector<std::string> parents_;
};

}  // namespace skytrain
