#include "client/api/target.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

constexpr size_t kLongestSocketPath = 107;  // sockaddr_un.

absl::Status BadServer(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_SERVER", message);
}

absl::StatusOr<Target> ParseServer(absl::string_view server) {
  absl::string_view path = server;
  if (!absl::ConsumePrefix(&path, "unix:")) {
    if (absl::StartsWith(server, "ssh://") || absl::StartsWith(server, "slurm:") ||
        server.find(':') != absl::string_view::npos) {
      return BadServer(absl::StrCat(
          "server '", server, "' is not supported yet: this version speaks to unix:PATH only"));
    }
    return BadServer(absl::StrCat("'", server, "' is not a server: write unix:PATH"));
  }
  if (path.empty()) return BadServer("the server's path is empty: write unix:PATH");
  if (path.size() > kLongestSocketPath) {
    return BadServer(absl::StrCat("the socket's path has ", path.size(), " characters, at most ",
                                  kLongestSocketPath, " are possible: ", path));
  }
  return Target{absl::StrCat("unix:", path), absl::StrCat("unix:", path)};
}

bool IsSocket(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

TargetEnvironment TargetEnvironment::FromProcess() {
  TargetEnvironment environment;
  environment.server = Variable("SKYTRAIN_SERVER");
  environment.xdg_runtime_dir = Variable("XDG_RUNTIME_DIR");
  environment.home = Variable("HOME");
  return environment;
}

absl::StatusOr<Target> ResolveTarget(absl::string_view server,
                                     const TargetEnvironment& environment) {
  if (!server.empty()) return ParseServer(server);
  if (!environment.server.empty()) return ParseServer(environment.server);

  std::vector<std::string> folders;
  if (!environment.xdg_runtime_dir.empty()) {
    folders.push_back(absl::StrCat(environment.xdg_runtime_dir, "/skytrain"));
  }
  folders.push_back(environment.run_dir);
  if (!environment.home.empty())
    folders.push_back(absl::StrCat(environment.home, "/.skytrain/run"));

  std::vector<std::string> sockets;
  for (const std::string& folder : folders) {
    sockets.push_back(absl::StrCat(folder, "/skytraind.sock"));
    if (!IsSocket(sockets.back())) continue;
    struct stat info;
    if (stat(folder.c_str(), &info) != 0) continue;
    if (info.st_uid != geteuid() && info.st_uid != 0) {
      return ErrorWithReason(
          absl::StatusCode::kPermissionDenied, "UNSAFE_SOCKET",
          absl::StrCat(folder, " belongs to uid ", info.st_uid,
                       ", neither you nor root; if you trust it: --server unix:", sockets.back()));
    }
    return Target{absl::StrCat("unix:", sockets.back()), absl::StrCat("unix:", sockets.back())};
  }
  return ErrorWithReason(absl::StatusCode::kUnavailable, "NO_SERVER",
                         absl::StrCat("no server found; looked for ", absl::StrJoin(sockets, ", "),
                                      "\nStart skytraind, or say where it is: --server unix:PATH "
                                      "or SKYTRAIN_SERVER"));
}

}  // namespace skytrain::client
