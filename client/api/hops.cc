#include "client/api/hops.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/api/resolve.h"
#include "client/api/tls_probe.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kBusy = absl::Milliseconds(20);

class Socket {
 public:
  explicit Socket(int family)
      : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }

  // 0, or the errno of a connection that failed; ETIMEDOUT when `deadline` passed.
  int Connect(const SocketAddress& address, absl::Time deadline) {
    if (fd_ < 0) return errno;
    int error = 0;
    do {
      error = connect(fd_, address.get(), address.size) == 0 ? 0 : errno;
      // A Unix socket whose queue of connections is full.
      if (error == EAGAIN && !WaitFor(-1, 0, std::min(deadline, absl::Now() + kBusy)) &&
          absl::Now() >= deadline) {
        return ETIMEDOUT;
      }
    } while (error == EAGAIN || error == EINTR);
    if (error != EINPROGRESS) return error;
    if (!WaitFor(fd_, POLLOUT, deadline)) return ETIMEDOUT;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }

 private:
  int fd_;
};

absl::Status Unreachable(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, reason, message);
}

absl::Status CannotResolve(const Target& target, const absl::Status& status) {
  if (absl::IsNotFound(status)) {
    return Unreachable("NAME_NOT_FOUND", absl::StrCat(status.message(), ": check the name in ",
                                                      target.shown, ", or give its address"));
  }
  return Unreachable("NO_NAME_SERVER", status.message());
}

absl::Status CannotConnect(const Target& target, const std::string& address, int error) {
  const std::string where =
      target.host == address
          ? absl::StrCat("port ", target.port, " of ", target.host)
          : absl::StrCat("port ", target.port, " of ", target.host, " (", address, ")");
  if (error == ECONNREFUSED) {
    return Unreachable(
        "CONNECTION_REFUSED",
        absl::StrCat("nobody listens on ", where, " (connection refused): is ",
                     "skytraind running there, with tls:…:", target.port, " in its listen?"));
  }
  if (error == ETIMEDOUT) {
    return Unreachable("CONNECTION_TIMED_OUT",
                       absl::StrCat(where, " does not answer (connection timed out): the node is ",
                                    "down, or a firewall is in between; ssh may get through: ",
                                    "--server ssh://USER@", target.host));
  }
  return Unreachable("NETWORK_ERROR",
                     absl::StrCat("cannot connect to ", where, ": ", strerror(error)));
}

std::vector<Hop> WalkTls(const Target& target, const TlsFiles& files, absl::Duration timeout) {
  std::vector<Hop> hops(1);
  hops[0].name = "name";
  const auto addresses = Resolve(target.host, target.port, timeout);
  if (!addresses.ok()) {
    hops[0].status = CannotResolve(target, addresses.status());
    return hops;
  }
  hops[0].detail = absl::StrCat(target.host, " is ", addresses->front().ToString());

  hops.emplace_back().name = "port";
  const absl::Time deadline = absl::Now() + timeout;
  for (const SocketAddress& address : *addresses) {
    Socket socket(address.storage.ss_family);
    const int error = socket.Connect(address, deadline);
    hops.back().status =
        error == 0 ? absl::OkStatus() : CannotConnect(target, address.ToString(), error);
    if (error != 0) continue;
    hops.back().detail = absl::StrCat(target.port, " open");
    hops.push_back(ProbeTls(socket.fd(), target, files, absl::Now() + timeout));
    break;
  }
  return hops;
}

absl::Status CannotUseSocket(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
      return Unreachable(
          "NO_SOCKET",
          absl::StrCat("there is no socket ", path, ": skytraind is not ",
                       "running (start it), or listens elsewhere ", "(say where with --server)"));
    case ECONNREFUSED:
      return Unreachable("CONNECTION_REFUSED",
                         absl::StrCat("nobody listens on ", path, " (connection refused): ",
                                      "skytraind was killed; start it again"));
    case EACCES:
      return ErrorWithReason(absl::StatusCode::kPermissionDenied, "SOCKET_NOT_ALLOWED",
                             absl::StrCat("you may not use the socket ", path, ": ask whose it is ",
                                          "to let you in, or start a skytraind of your own"));
    case ETIMEDOUT:
      return Unreachable("CONNECTION_TIMED_OUT",
                         absl::StrCat(path, " takes no connections (timed out): skytraind hangs"));
    default:
      return Unreachable("NETWORK_ERROR",
                         absl::StrCat("cannot connect to ", path, ": ", strerror(error)));
  }
}

// Waits for the first frame of an HTTP/2 server.
absl::Status Greet(int fd, const std::string& path, absl::Time deadline) {
  const std::string greeting = Http2Greeting();
  if (send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL) < 0) {
    return CannotUseSocket(path, errno);
  }
  char bytes[kHttp2FrameHeader];
  if (!WaitFor(fd, POLLIN, deadline)) {
    return Unreachable("NO_ANSWER",
                       absl::StrCat(path, " takes connections but says nothing: skytraind hangs, ",
                                    "or something else listens there"));
  }
  const ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
  if (got <= 0) {
    return Unreachable("CLOSED_AT_ONCE",
                       absl::StrCat(path, " closed the connection at once: skytraind is just ",
                                    "ending, or does not let you in"));
  }
  if (IsHttp2Settings(absl::string_view(bytes, got))) return absl::OkStatus();
  return Unreachable("NOT_A_SERVER",
                     absl::StrCat("something else than skytraind listens on ", path));
}

std::vector<Hop> WalkUnix(const Target& target, absl::Duration timeout) {
  std::vector<Hop> hops(1);
  Hop& hop = hops[0];
  hop.name = "socket";
  struct stat info;
  if (stat(target.path.c_str(), &info) != 0) {
    hop.status = CannotUseSocket(target.path, errno);
    return hops;
  }
  hop.detail = absl::StrFormat("%s, owner uid %d, mode %04o", target.path, info.st_uid,
                               info.st_mode & 07777u);
  if (!S_ISSOCK(info.st_mode)) {
    hop.status = Unreachable("NOT_A_SOCKET", absl::StrCat(target.path, " is no socket"));
    return hops;
  }
  SocketAddress address;
  auto& unix_address = reinterpret_cast<sockaddr_un&>(address.storage);
  unix_address.sun_family = AF_UNIX;
  target.path.copy(unix_address.sun_path, sizeof(unix_address.sun_path) - 1);
  address.size = sizeof(unix_address);
  const absl::Time deadline = absl::Now() + timeout;
  Socket socket(AF_UNIX);
  const int error = socket.Connect(address, deadline);
  hop.status =
      error == 0 ? Greet(socket.fd(), target.path, deadline) : CannotUseSocket(target.path, error);
  return hops;
}

}  // namespace

std::vector<Hop> WalkToServer(const Target& target, const TlsFiles& tls, absl::Duration timeout) {
  switch (target.kind) {
    case Target::Kind::kUnix:
      return WalkUnix(target, timeout);
    case Target::Kind::kTls:
      return WalkTls(target, tls, timeout);
    case Target::Kind::kSsh:
      break;
  }
  return {};
}

}  // namespace skytrain::client
