// The defaults, and what cannot be served.

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/config/bad_config.h"
#include "server/config/config.h"

namespace skytrain {
namespace {

absl::Status NotAvailable(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kUnimplemented, "NOT_AVAILABLE",
                         absl::StrCat(what, " is not available in this version"));
}

std::string Absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  std::array<char, PATH_MAX> cwd;
  return getcwd(cwd.data(), cwd.size()) == nullptr ? path : absl::StrCat(cwd.data(), "/", path);
}

std::string DefaultSocketFolder(const Surroundings& surroundings, Mode mode) {
  if (mode != Mode::kPersonal) return "/run/skytrain";  // Where everybody looks, and may go.
  if (!surroundings.xdg_runtime_dir.empty()) return surroundings.xdg_runtime_dir + "/skytrain";
  return surroundings.root ? "/run/skytrain" : surroundings.home + "/.skytrain/run";
}

// "HOST:PORT" with an IPv6 address in brackets.
bool IsHostAndPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view host = address.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  int port = -1;
  return absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 && port <= 65535 &&
         !host.empty() && (bracketed || !absl::StrContains(host, ':'));
}

absl::Status CheckListen(const std::string& listen) {
  absl::string_view rest = listen;
  if (absl::StartsWith(rest, "unix:/")) return absl::OkStatus();
  if (absl::ConsumePrefix(&rest, "tls:")) {
    if (IsHostAndPort(rest)) return absl::OkStatus();
    return BadConfig(absl::StrCat(
        "listen: write tls:HOST:PORT, an IPv6 address in brackets, not \"", listen, "\""));
  }
  absl::ConsumePrefix(&rest, "tcp:");
  if (IsHostAndPort(rest)) {
    return BadConfig(absl::StrCat(
        "listen: \"", listen, "\": TCP without encryption is not offered. Write tls:", rest,
        " and set tls.certificate and tls.key, or leave the Unix socket alone: clients of other "
        "machines reach it by --server ssh://USER@NODE"));
  }
  return BadConfig(
      absl::StrCat("listen: write unix:PATH with an absolute path, or tls:HOST:PORT, "
                   "not \"",
                   listen, "\""));
}

void CompleteListen(const Surroundings& surroundings, Config* config, Mistakes& mistakes) {
  if (config->listen.empty()) {
    config->listen.push_back(
        absl::StrCat("unix:", DefaultSocketFolder(surroundings, config->mode), "/skytraind.sock"));
  }
  for (const std::string& listen : config->listen) mistakes.Add(CheckListen(listen));
  const bool has_files = !config->tls_certificate.empty() && !config->tls_key.empty();
  if (!config->TlsAddresses().empty() && !has_files) {
    mistakes.Add(BadConfig("listen: tls:HOST:PORT needs tls.certificate and tls.key"));
  }
  for (std::string Config::*file :
       {&Config::tls_certificate, &Config::tls_key, &Config::tls_client_ca}) {
    config->*file = Absolute(config->*file);
  }
}

absl::Status CheckLauncher(const Config& config) {
  if (config.launcher == "local") return absl::OkStatus();
  if (config.launcher != "slurm") {
    return BadConfig(absl::StrCat("launcher: must be local, not \"", config.launcher, "\""));
  }
  if (config.mode == Mode::kPersonal) return NotAvailable("launcher: slurm");
  return BadConfig(
      "launcher: slurm goes with mode: personal only; with Slurm, let each user start a daemon");
}

absl::Status CheckMetricsListen(const std::string& address) {
  if (address.empty() || IsHostAndPort(address)) return absl::OkStatus();
  return BadConfig(absl::StrCat("metrics_listen: write HOST:PORT, such as 127.0.0.1:9464, not \"",
                                address, "\""));
}

absl::Status ResolveDataRoot(std::string& root) {
  std::array<char, PATH_MAX> resolved;
  if (realpath(root.c_str(), resolved.data()) == nullptr) {
    return BadConfig(absl::StrCat("data_roots: ", root, ": ", std::strerror(errno)));
  }
  root = resolved.data();
  return absl::OkStatus();
}

absl::Status CheckSite(const Surroundings& surroundings) {
  if (surroundings.root) return absl::OkStatus();
  return BadConfig(
      "mode: site needs root, since each job runs as its owner: start skytraind as root, as its "
      "system service does, or choose mode: shared");
}

}  // namespace

absl::Status CompleteConfig(const Surroundings& surroundings, Config* config) {
  Mistakes mistakes;
  if (config->mode == Mode::kSite) mistakes.Add(CheckSite(surroundings));
  mistakes.Add(CheckLauncher(*config));
  CompleteListen(surroundings, config, mistakes);
  mistakes.Add(CheckMetricsListen(config->metrics_listen));
  if (config->state_dir.empty()) {
    config->state_dir =
        surroundings.root ? "/var/lib/skytrain" : surroundings.home + "/.skytrain/state";
  }
  config->state_dir = Absolute(config->state_dir);
  config->work_dir =
      config->work_dir.empty() ? config->state_dir + "/work" : Absolute(config->work_dir);
  for (std::string& root : config->data_roots) mistakes.Add(ResolveDataRoot(root));
  const std::pair<std::string Config::*, const char*> binaries[] = {
      {&Config::worker_binary, "/skytrain-worker"},
      {&Config::shepherd_binary, "/skytrain-shepherd"},
      {&Config::probe_binary, "/skytrain-probe"}};
  for (const auto& [field, name] : binaries) {
    std::string& path = config->*field;
    path = path.empty() ? surroundings.binary_dir + name : Absolute(path);
  }
  return mistakes.ToStatus();
}

}  // namespace skytrain
