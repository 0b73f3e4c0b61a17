#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain::client {

// Where the server is.
struct Target {
  enum class Kind {
    kUnix,  // A socket on this machine.
    kTls,   // TCP with TLS.
    kSsh,   // `skytrain dial-stdio` on the node, through the user's own ssh.
  };
  Kind kind = Kind::kUnix;
  std::string shown;  // For people, and what --server takes.
  std::string path;   // kUnix: the socket. kSsh: the socket on the node; empty: its default.
  std::string user;   // kSsh; empty: as ssh has it.
  std::string host;   // kTls, kSsh: a name or an address, IPv6 without brackets.
  int port = 0;       // kTls; kSsh: 0: as ssh has it.

  // The server sees the caller's files: paths may be made absolute here.
  bool local() const { return kind == Kind::kUnix; }
  // "gpu07:7447", "[::1]:7447".
  std::string Authority() const;

  static Target Unix(absl::string_view path);
};

// What the environment says about it; empty: not set.
struct TargetEnvironment {
  std::string server;           // SKYTRAIN_SERVER
  std::string xdg_runtime_dir;  // XDG_RUNTIME_DIR
  std::string home;             // HOME; no getpwuid, which a static binary cannot call.
  std::string run_dir = "/run/skytrain";

  static TargetEnvironment FromProcess();
};

// `server` (of --server) if it is set, else SKYTRAIN_SERVER, else the first socket
// "skytraind.sock" of $XDG_RUNTIME_DIR/skytrain, /run/skytrain, $HOME/.skytrain/run. A folder that
// belongs neither to the caller nor to root is refused: its owner could read along. The forms are
//   unix:PATH    HOST:PORT, [IPV6]:PORT (TLS)    ssh://[USER@]NODE[:PORT][/SOCKET]
// INVALID_ARGUMENT (BAD_SERVER), PERMISSION_DENIED (UNSAFE_SOCKET), UNAVAILABLE (NO_SERVER).
absl::StatusOr<Target> ResolveTarget(absl::string_view server,
                                     const TargetEnvironment& environment);

}  // namespace skytrain::client
