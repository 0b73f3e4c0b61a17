#include "server/store/work_dir_lease.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "common/process/process.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::ProcessId;

// Length of the message, message, zeros. Of one size and overwritten in place, so that a daemon can
// start and stop on a full disk.
constexpr size_t kLeaseBytes = 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Empty for a lease that is new, given back, or cut short by a power loss.
ProcessId HolderOf(int fd) {
  std::string bytes(kLeaseBytes, '\0');
  uint32_t length = 0;
  ProcessId holder;
  if (pread(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return {};
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > kLeaseBytes - sizeof(length) ||
      !holder.ParseFromArray(bytes.data() + sizeof(length), static_cast<int>(length))) {
    return {};
  }
  return holder;
}

// An empty `holder`: nobody's.
absl::Status Sign(int fd, const std::string& path, const ProcessId& holder) {
  const std::string message = holder.SerializeAsString();
  const auto length = static_cast<uint32_t>(message.size());
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes += message;
  bytes.resize(kLeaseBytes, '\0');
  if (pwrite(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return PosixError(errno, "write", path);
  }
  if (fsync(fd) != 0) return PosixError(errno, "sync", path);
  return FileSystem::Posix().SyncDir(ParentOf(path));
}

absl::Status InUse(const std::string& work_dir, const ProcessId& holder, absl::string_view advice) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "WORK_DIR_IN_USE",
                         absl::StrCat("work_dir ", work_dir, " is in use by skytraind with pid ",
                                      holder.pid(), " on ", holder.host(), ": ", advice));
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkDirLease>> WorkDirLease::Take(const std::string& work_dir) {
  const std::string path = work_dir + "/lease";
  Descriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) return PosixError(errno, "open", path);
  const bool locked = flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
  if (!locked && errno != EWOULDBLOCK) return PosixError(errno, "lock", path);
  const ProcessId holder = HolderOf(fd.get());
  if (!locked) return InUse(work_dir, holder, "stop it, or choose another work_dir");
  ASSIGN_OR_RETURN(const ProcessId self, Self());
  if (!holder.host().empty() && holder.host() != self.host()) {
    return InUse(work_dir, holder,
                 absl::StrCat("stop it there; when that machine is gone for good, remove ", path));
  }
  RETURN_IF_ERROR(Sign(fd.get(), path, self));
  return std::unique_ptr<WorkDirLease>(new WorkDirLease(path, fd.Release()));
}

WorkDirLease::~WorkDirLease() {
  Sign(fd_, path_, ProcessId()).IgnoreError();  // The lock goes with us in any case.
  close(fd_);
}

}  // namespace skytrain
