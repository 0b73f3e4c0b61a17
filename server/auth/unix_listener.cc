#include "server/auth/unix_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr size_t kMaxPath = sizeof(sockaddr_un{}.sun_path) - 1;
constexpr int kBacklog = 128;

absl::Status SystemError(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status CheckPath(const std::string& path) {
  if (path.empty() || path.front() != '/') {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_SOCKET_PATH",
                           absl::StrCat("socket path '", path, "' is not absolute"));
  }
  if (path.size() > kMaxPath) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_SOCKET_PATH",
        absl::StrCat("socket path ", path, " has ", path.size(), " characters; the system allows ",
                     kMaxPath, ". Choose a shorter one with --listen unix:PATH"));
  }
  return absl::OkStatus();
}

// Whoever can write to the folder could replace the socket by his own and be taken for the daemon.
absl::Status PrepareFolder(const std::string& folder, mode_t mode) {
  if (mkdir(folder.c_str(), mode) == 0) {
    if (chmod(folder.c_str(), mode) != 0) return SystemError("cannot open", folder);  // The umask.
  } else if (errno != EEXIST) {
    return SystemError("cannot make the socket folder", folder);
  }
  struct stat info;
  if (stat(folder.c_str(), &info) != 0) return SystemError("cannot look at", folder);
  if (!S_ISDIR(info.st_mode)) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_SOCKET_PATH",
                           absl::StrCat(folder, " is not a folder"));
  }
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "UNSAFE_SOCKET_FOLDER",
        absl::StrCat("socket folder ", folder, " belongs to uid ", info.st_uid,
                     ", neither to you nor to root. Choose one of your own with --listen"));
  }
  if ((info.st_mode & 022) != 0) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "UNSAFE_SOCKET_FOLDER",
        absl::StrCat("others may write to the socket folder ", folder, ". Run: chmod 700 ", folder,
                     ", or choose another one with --listen"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> TakeLock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return SystemError("cannot open", lock_path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char pid[16] = {};
    const ssize_t length = pread(fd, pid, sizeof(pid) - 1, 0);
    close(fd);
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "SOCKET_IN_USE",
        absl::StrCat("another skytraind", length > 0 ? absl::StrCat(" (pid ", pid, ")") : "",
                     " serves on ", path, ". Stop it, or choose another path with --listen"));
  }
  const std::string pid = absl::StrCat(getpid());
  // Only for the message above; a failure costs nothing else.
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) errno = 0;
  return fd;
}

}  // namespace

UnixListener::UnixListener(std::string path, int lock_fd, Audience audience)
    : path_(std::move(path)), lock_fd_(lock_fd), audience_(audience) {}

UnixListener::~UnixListener() {
  Stop();
  if (listen_fd_ >= 0) close(listen_fd_);
  if (stop_fd_ >= 0) close(stop_fd_);
  close(lock_fd_);
}

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Bind(const std::string& path,
                                                                 Audience audience) {
  RETURN_IF_ERROR(CheckPath(path));
  RETURN_IF_ERROR(PrepareFolder(FolderOf(path), audience == Audience::kOwnUser ? 0700 : 0755));
  ASSIGN_OR_RETURN(const int lock_fd, TakeLock(path));
  std::unique_ptr<UnixListener> listener(new UnixListener(path, lock_fd, audience));
  RETURN_IF_ERROR(listener->RemoveStaleSocket());
  RETURN_IF_ERROR(listener->BindSocket());
  return listener;
}

absl::Status UnixListener::RemoveStaleSocket() const {
  struct stat info;
  if (lstat(path_.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : SystemError("cannot look at", path_);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_SOCKET_PATH",
                           absl::StrCat(path_, " exists and is not a socket"));
  }
  // We hold the lock, so no skytraind answers; another program may.
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return SystemError("cannot make a socket for", path_);
  const sockaddr_un address = AddressOf(path_);
  const int connected =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const bool alive = connected == 0 || errno == EAGAIN;
  close(probe);
  if (alive) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "SOCKET_IN_USE",
                           absl::StrCat("another program serves on ", path_));
  }
  return unlink(path_.c_str()) == 0 ? absl::OkStatus() : SystemError("cannot remove", path_);
}

absl::Status UnixListener::BindSocket() {
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listen_fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (stop_fd_ < 0 || listen_fd_ < 0) return SystemError("cannot make a socket for", path_);
  // Linux gives the new file the mode of the unbound socket, less the umask, so it never exists
  // with a wider one.
  const mode_t mode = audience_ == Audience::kOwnUser ? 0600 : 0666;
  if (fchmod(listen_fd_, mode) != 0) return SystemError("cannot protect", path_);
  const sockaddr_un address = AddressOf(path_);
  if (bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return SystemError("cannot bind", path_);
  }
  if (audience_ == Audience::kEveryone && chmod(path_.c_str(), mode) != 0) {
    return SystemError("cannot open to all users", path_);
  }
  struct stat info;
  if (lstat(path_.c_str(), &info) != 0) return SystemError("cannot look at", path_);
  device_ = info.st_dev;
  inode_ = info.st_ino;
  if (listen(listen_fd_, kBacklog) != 0) return SystemError("cannot listen on", path_);
  return absl::OkStatus();
}

void UnixListener::Start(OnConnection on_connection, OnRefused on_refused) {
  on_connection_ = std::move(on_connection);
  on_refused_ = std::move(on_refused);
  thread_ = std::thread([this] { AcceptLoop(); });
}

void UnixListener::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // The counter cannot overflow, so the write cannot fail.
    if (write(stop_fd_, &one, sizeof(one)) < 0) errno = 0;
    thread_.join();
  }
  struct stat info;
  if (inode_ != 0 && lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    unlink(path_.c_str());
  }
  inode_ = 0;
}

void UnixListener::AcceptLoop() {
  pollfd polled[2] = {{listen_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  while (true) {
    if (poll(polled, 2, -1) < 0 && errno != EINTR) return;
    if ((polled[1].revents & POLLIN) != 0) return;
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      // Out of descriptors or memory: the connection stays in the backlog, so polling again at once
      // would spin.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        poll(&polled[1], 1, 100);
      }
      continue;
    }
    ucred peer{};
    socklen_t length = sizeof(peer);
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    if (!known || (audience_ == Audience::kOwnUser && peer.uid != geteuid())) {
      close(fd);
      on_refused_(known ? peer.uid : static_cast<uid_t>(-1));
      continue;
    }
    on_connection_(fd, peer.uid);
  }
}

}  // namespace skytrain
