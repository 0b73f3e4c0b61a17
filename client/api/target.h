#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain::client {

// Where the server is.
struct Target {
  std::string uri;    // For gRPC: "unix:/run/skytrain/skytraind.sock".
  std::string shown;  // For people.
  bool local = true;  // The server sees the caller's files: paths may be made absolute here.
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
// belongs neither to the caller nor to root is refused: its owner could read along.
// INVALID_ARGUMENT (BAD_SERVER), PERMISSION_DENIED (UNSAFE_SOCKET), UNAVAILABLE (NO_SERVER).
absl::StatusOr<Target> ResolveTarget(absl::string_view server,
                                     const TargetEnvironment& environment);

}  // namespace skytrain::client
