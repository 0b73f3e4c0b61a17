#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace skytrain {

// Sleeps until something in a folder was written, made or renamed. By inotify; where that does not
// work (network file systems, no watches left) Wait just runs into its timeout, so callers look
// anyway after it. Wait: one thread. Wake: any.
class FolderWatcher {
 public:
  FolderWatcher();
  ~FolderWatcher();
  FolderWatcher(const FolderWatcher&) = delete;
  FolderWatcher& operator=(const FolderWatcher&) = delete;

  // Watches `path` from now on. False: only the timeout works.
  bool Watch(const std::string& path);
  // Returns at a change, at Wake, or after `timeout`. Changes before the call count.
  void Wait(absl::Duration timeout);
  void Wake();
  // As Wait, but changes do not end it, and those before or meanwhile count for the next Wait.
  void WaitForWake(absl::Duration timeout);

 private:
  int inotify_fd_;
  int wake_fd_;
};

}  // namespace skytrain
