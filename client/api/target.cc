#include "client/api/target.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr size_t kLongestSocketPath = 107;  // sockaddr_un.
constexpr char kForms[] = "write unix:PATH, HOST:PORT (TLS) or ssh://[USER@]NODE";

absl::Status BadServer(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_SERVER", message);
}

absl::Status CheckSocketPath(absl::string_view path) {
  if (path.size() <= kLongestSocketPath) return absl::OkStatus();
  return BadServer(absl::StrCat("the socket's path has ", path.size(), " characters, at most ",
                                kLongestSocketPath, " are possible: ", path));
}

// Names, IPv4 and IPv6 addresses with a zone. What begins with a dash would be an option to ssh.
bool IsHost(absl::string_view host) {
  if (host.empty() || host.size() > 255 || host[0] == '-') return false;
  return absl::c_all_of(host, [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("-._:%", absl::string_view(&c, 1));
  });
}

bool IsUser(absl::string_view user) {
  if (user.empty() || user.size() > 255 || user[0] == '-') return false;
  return absl::c_all_of(user, [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("-._+@", absl::string_view(&c, 1));
  });
}

// "HOST", "HOST:PORT", "[IPV6]:PORT" into the target. False when it is neither.
bool ParseAuthority(absl::string_view text, Target& target) {
  absl::string_view host = text, port;
  bool has_port = false;
  if (absl::ConsumePrefix(&host, "[")) {
    const size_t bracket = host.find(']');
    if (bracket == absl::string_view::npos) return false;
    absl::string_view rest = host.substr(bracket + 1);
    host = host.substr(0, bracket);
    if (!absl::StrContains(host, ':')) return false;
    has_port = absl::ConsumePrefix(&rest, ":");
    if (!has_port && !rest.empty()) return false;
    port = rest;
  } else if (const size_t colon = host.find(':'); colon != absl::string_view::npos) {
    has_port = true;
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (!IsHost(host)) return false;
  if (has_port && (!absl::SimpleAtoi(port, &target.port) || target.port < 1 ||
                   target.port > 65535 || !absl::ascii_isdigit(port[0]))) {
    return false;
  }
  target.host = std::string(host);
  return true;
}

absl::StatusOr<Target> ParseSsh(absl::string_view server) {
  Target target;
  target.kind = Target::Kind::kSsh;
  target.shown = std::string(server);
  absl::string_view rest = server.substr(absl::string_view("ssh://").size());
  if (const size_t slash = rest.find('/'); slash != absl::string_view::npos) {
    target.path = std::string(rest.substr(slash));
    rest = rest.substr(0, slash);
  }
  if (target.path == "/") target.path.clear();
  RETURN_IF_ERROR(CheckSocketPath(target.path));
  if (const size_t at = rest.rfind('@'); at != absl::string_view::npos) {
    target.user = std::string(rest.substr(0, at));
    rest = rest.substr(at + 1);
    if (!IsUser(target.user)) {
      return BadServer(absl::StrCat("'", server, "' names no user before the @"));
    }
  }
  if (!ParseAuthority(rest, target)) {
    return BadServer(
        absl::StrCat("'", server, "' is not a server: write ssh://[USER@]NODE[:PORT][/SOCKET]"));
  }
  return target;
}

absl::StatusOr<Target> ParseTls(absl::string_view server) {
  absl::string_view address = server;
  absl::ConsumePrefix(&address, "tls:");  // As the daemon's `listen` has it.
  Target target;
  target.kind = Target::Kind::kTls;
  if (std::count(address.begin(), address.end(), ':') > 1 && address[0] != '[') {
    return BadServer(absl::StrCat("'", server, "' is not a server: write an IPv6 address with its ",
                                  "port as [ADDRESS]:PORT"));
  }
  if (!ParseAuthority(address, target)) {
    return BadServer(absl::StrCat("'", server, "' is not a server: ", kForms));
  }
  if (target.port == 0) {
    return BadServer(absl::StrCat("'", server, "' names no port: ", kForms));
  }
  target.host = absl::AsciiStrToLower(target.host);  // One key for the credentials file.
  target.shown = target.Authority();
  return target;
}

absl::StatusOr<Target> ParseServer(absl::string_view server) {
  absl::string_view path = server;
  if (absl::ConsumePrefix(&path, "unix:")) {
    if (path.empty()) return BadServer("the server's path is empty: write unix:PATH");
    RETURN_IF_ERROR(CheckSocketPath(path));
    return Target::Unix(path);
  }
  if (absl::StartsWith(server, "ssh://")) return ParseSsh(server);
  if (absl::StartsWith(server, "slurm:") || absl::StrContains(server, "//") || server[0] == '/' ||
      server[0] == '.') {
    return BadServer(absl::StrCat("'", server, "' is not a server: ", kForms));
  }
  return ParseTls(server);
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

std::string Target::Authority() const {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

Target Target::Unix(absl::string_view path) {
  Target target;
  target.shown = absl::StrCat("unix:", path);
  target.path = std::string(path);
  return target;
}

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
    return Target::Unix(sockets.back());
  }
  return ErrorWithReason(absl::StatusCode::kUnavailable, "NO_SERVER",
                         absl::StrCat("no server found; looked for ", absl::StrJoin(sockets, ", "),
                                      "\nStart skytraind, or say where it is with --server or "
                                      "SKYTRAIN_SERVER: unix:PATH, HOST:PORT, ssh://USER@NODE"));
}

}  // namespace skytrain::client
