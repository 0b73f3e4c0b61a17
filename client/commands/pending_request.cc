#include "client/commands/pending_request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/ids.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kLifetime = absl::Minutes(10);
constexpr size_t kMaxId = 64;

}  // namespace

std::string PendingRequest::StateDir() {
  if (const char* dir = getenv("XDG_STATE_HOME"); dir != nullptr && dir[0] == '/') {
    return absl::StrCat(dir, "/skytrain");
  }
  const char* home = getenv("HOME");
  return home != nullptr && home[0] == '/' ? absl::StrCat(home, "/.local/state/skytrain") : "";
}

PendingRequest::PendingRequest(const std::string& state_dir, absl::string_view key)
    : id_(NewUid()) {
  if (state_dir.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(state_dir + "/requests", error);
  path_ = absl::StrCat(state_dir, "/requests/", Sha256Hex(key));
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return;
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    // Another client is at it just now. This one's request is its own.
    close(fd_);
    fd_ = -1;
    return;
  }
  if (TakeUp()) return;
  // Synced, so that it is there also after the machine itself stopped.
  if (ftruncate(fd_, 0) != 0 || pwrite(fd_, id_.data(), id_.size(), 0) < 0 || fsync(fd_) != 0) {
    unlink(path_.c_str());
  }
}

PendingRequest::~PendingRequest() {
  if (fd_ >= 0) close(fd_);
}

bool PendingRequest::TakeUp() {
  struct stat status {};
  char saved[kMaxId];
  const ssize_t length = pread(fd_, saved, sizeof(saved), 0);
  if (length <= 0 || fstat(fd_, &status) != 0) return false;
  const absl::Duration age = absl::Now() - absl::TimeFromTimespec(status.st_mtim);
  if (age < absl::ZeroDuration() || age > kLifetime) return false;
  id_.assign(saved, length);
  age_ = age;
  return true;
}

void PendingRequest::Answered(const absl::Status& status) {
  // Without a reason of the server's it is not known whether the request reached it.
  const bool known = status.ok() || (!ReasonOf(status).empty() && !absl::IsUnavailable(status));
  if (fd_ >= 0 && known) unlink(path_.c_str());
}

}  // namespace skytrain::client
