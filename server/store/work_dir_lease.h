#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace skytrain {

// Says whose a work_dir is: one daemon's, also when the folder is shared between machines, where
// locks may not reach. The file `lease` in it holds host, boot id, pid and start time of the
// holder.
//   1. The file is locked: its holder lives on this machine. Refused.
//   2. It names another host: only people know whether that one is dead. Refused, saying what to
//   do.
//   3. It names this host, so its holder is gone (1), or nothing: taken over.
// Given back when the holder stops in order. Immutable after Take.
class WorkDirLease {
 public:
  // FAILED_PRECONDITION (WORK_DIR_IN_USE), naming the holder.
  static absl::StatusOr<std::unique_ptr<WorkDirLease>> Take(const std::string& work_dir);
  ~WorkDirLease();
  WorkDirLease(const WorkDirLease&) = delete;
  WorkDirLease& operator=(const WorkDirLease&) = delete;

 private:
  WorkDirLease(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  const std::string path_;
  const int fd_;
};

}  // namespace skytrain
