#include "server/store/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

// statfs(2) types of file systems that are shared between machines.
bool IsNetworkFileSystem(int64_t type) {
  switch (static_cast<uint32_t>(type)) {
    case 0x6969:      // NFS
    case 0x517B:      // SMB
    case 0xFE534D42:  // SMB2
    case 0xFF534D42:  // CIFS
    case 0x0BD00BD0:  // Lustre
    case 0x47504653:  // GPFS
    case 0x00C36400:  // Ceph
    case 0x5346414F:  // AFS
    case 0x19830326:  // BeeGFS
      return true;
    default:
      return false;
  }
}

absl::Status ErrnoError(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateDir>> StateDir::Open(const std::string& path) {
  RETURN_IF_ERROR(MakeFolders(path, 0700));
  struct statfs file_system;
  if (statfs(path.c_str(), &file_system) != 0) return ErrnoError("cannot look at", path);
  if (IsNetworkFileSystem(file_system.f_type)) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "STATE_DIR_ON_NETWORK",
                           absl::StrCat(path,
                                        " lies on a network file system, where the database is "
                                        "not safe: set state_dir to a local disk"));
  }
  const std::string lock_path = path + "/lock";
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoError("cannot open", lock_path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool held = errno == EWOULDBLOCK;
    absl::Status error = ErrnoError("cannot lock", lock_path);
    char pid[32] = "";
    if (held && pread(fd, pid, sizeof(pid) - 1, 0) >= 0) {
      error = ErrorWithReason(absl::StatusCode::kFailedPrecondition, "STATE_DIR_IN_USE",
                              absl::StrCat(path, " is in use by skytraind with pid ", pid,
                                           ": stop it, or choose another state_dir"));
    }
    close(fd);
    return error;
  }
  // For the message above only; the lock is what counts, and a full disk must not keep us out.
  const std::string pid = absl::StrCat(getpid());
  std::ignore = ftruncate(fd, 0) == 0 && pwrite(fd, pid.data(), pid.size(), 0) > 0;
  return std::unique_ptr<StateDir>(new StateDir(path, fd));
}

StateDir::~StateDir() { close(lock_fd_); }

StateDir::Space StateDir::DiskSpace() const {
  struct statvfs disk;
  if (statvfs(path_.c_str(), &disk) != 0) return {};
  return {static_cast<int64_t>(disk.f_blocks * disk.f_frsize),
          static_cast<int64_t>(disk.f_bavail * disk.f_frsize)};
}

}  // namespace skytrain
