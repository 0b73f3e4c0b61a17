#pragma once

#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"

namespace skytrain {

// Whose rights a process has.
struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // Supplementary ones.
};

// From here to the end of the block this thread reaches files with the rights of a user: the kernel
// asks neither the daemon's uid nor its privileges over files, so whatever a path that the user
// controls leads to, it is only what the user may reach. For root only. Other threads are not
// touched, nor is who may signal this process. No process or thread may be started
// meanwhile: it would inherit half of an identity.
class ScopedFileIdentity {
 public:
  explicit ScopedFileIdentity(const UserIds& user);
  ~ScopedFileIdentity();  // Ends the process when the own identity cannot be had back.
  ScopedFileIdentity(const ScopedFileIdentity&) = delete;
  ScopedFileIdentity& operator=(const ScopedFileIdentity&) = delete;

  // PERMISSION_DENIED: the identity could not be taken; nothing may be opened then.
  const absl::Status& status() const { return status_; }

 private:
  absl::Status Take(const UserIds& user);
  void GiveBack();

  UserIds before_;
  absl::Status status_;
};

}  // namespace skytrain
