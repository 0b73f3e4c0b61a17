#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skytrain {

// The daemon's state folder, held with a lock for as long as the object lives, so that no second
// daemon opens the same database. Immutable after Open.
class StateDir {
 public:
  // Makes the folder (mode 0700, and its parents) when it is absent. FAILED_PRECONDITION: another
  // daemon holds it (STATE_DIR_IN_USE, naming its pid), or it lies on a network file system, where
  // SQLite's write-ahead log is not safe (STATE_DIR_ON_NETWORK).
  static absl::StatusOr<std::unique_ptr<StateDir>> Open(const std::string& path);
  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::string& path() const { return path_; }
  std::string DatabasePath() const { return path_ + "/skytrain.db"; }
  std::string BallastPath() const { return path_ + "/ballast"; }
  // Of the file system that the folder is on; zeros when it cannot be asked.
  struct Space {
    int64_t total_bytes = 0;
    int64_t free_bytes = 0;  // For this user.
  };
  Space DiskSpace() const;

  std::string LockPath() const { return path_ + "/lock"; }

 private:
  StateDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  std::string path_;
  int lock_fd_;
};

}  // namespace skytrain
