#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "client/api/relay.h"
#include "client/commands/commands.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::Status ConnectTo(int fd, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  return ErrorWithReason(
      error == EACCES ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kUnavailable,
      error == EACCES ? "SOCKET_NOT_ALLOWED" : "NO_SERVER",
      absl::StrCat("no skytraind answers on ", path, ": ", strerror(error)));
}

}  // namespace

// What a client with an ssh:// server runs on the node. The daemon sees this user's uid, as ssh
// has verified it.
absl::StatusOr<ExitCode> DialStdio(Context& context, const DialStdioOptions& options) {
  const std::string server = options.socket.empty() ? "" : absl::StrCat("unix:", options.socket);
  TargetEnvironment environment = TargetEnvironment::FromProcess();
  environment.server.clear();  // It may name a server elsewhere, or this very way here.
  ASSIGN_OR_RETURN(const Target target, ResolveTarget(server, environment));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  RETURN_IF_ERROR(ConnectTo(fd, target.path));
  // For the client's doctor, and for who runs this by hand.
  context.Err(absl::StrCat("connected to ", target.path, "\n"));
  signal(SIGPIPE, SIG_IGN);
  Interrupt::Hook hook(context.interrupt(), [fd] { shutdown(fd, SHUT_RDWR); });
  RETURN_IF_ERROR(Relay(0, 1, fd));
  return kExitOk;
}

}  // namespace skytrain::client
