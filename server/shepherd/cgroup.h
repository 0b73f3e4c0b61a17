#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file/file_identity.h"

namespace skytrain {

// A control group (v2) of its own for the ranks of one attempt: their exact list, an end that
// nothing escapes, and where the kernel allows it a bound on their memory. It can be had where the
// shepherd's own group may be written to (root, or a systemd unit with Delegate=yes); elsewhere the
// attempt does with its process group.
//
// No controller is turned on in a group above the shepherd's own. The group of a service could not
// take a restarted daemon then, as long as runs of the old one go on below it: EBUSY, by the rule
// that a group with controllers for its children holds no process itself. So in a service the bound
// on memory is the shepherd's to hold (process_memory.h).
class Cgroup {
 public:
  // Makes the group `name` below the one that this process is in. memory_limit_bytes 0: no limit;
  // see has_memory_limit. FAILED_PRECONDITION says why there is no group.
  static absl::StatusOr<std::unique_ptr<Cgroup>> Create(absl::string_view name,
                                                        int64_t memory_limit_bytes);
  // For root, which is about to become `user`: the group is the user's to use, but not its limit.
  // This process moves into a part of it, since only from there may the user move the ranks into
  // another part. Neither the user nor this process can remove the group: RemoveLeftCgroups does.
  static absl::StatusOr<std::unique_ptr<Cgroup>> CreateFor(const UserIds& user,
                                                           absl::string_view name,
                                                           int64_t memory_limit_bytes);
  ~Cgroup();  // Removes the group. Its processes should be gone.
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // Moves a process, and so all that it will start, into the group.
  absl::Status Add(int pid) const;
  // SIGKILL to every process of the group.
  void Kill() const;
  std::vector<int> Processes() const;
  // How many of its processes the kernel killed for lack of memory.
  uint64_t OomKills() const;
  bool has_memory_limit() const { return has_memory_limit_; }
  const std::string& path() const { return path_; }

 private:
  explicit Cgroup(std::string path) : path_(std::move(path)), ranks_path_(path_) {}
  absl::Status LimitMemory(int64_t bytes);
  absl::Status GiveTo(const UserIds& user);

  const std::string path_;
  std::string ranks_path_;  // Where the ranks go: the group itself, or a part of it.
  bool has_memory_limit_ = false;
};

// Removes the groups below this process's own that shepherds have left behind, since
// they had become another user or were killed.
void RemoveLeftCgroups();

// The folder of the v2 group that this process is in; empty: none is mounted.
std::string OwnCgroupPath();

}  // namespace skytrain
