#include "client/commands/context.h"

#include <stdio.h>
#include <stdlib.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/api/credentials.h"
#include "client/exit_code.h"
#include "common/status_macros.h"

namespace skytrain::client {

namespace {

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

std::string FirstOf(const std::string& given, const char* variable) {
  return given.empty() ? Variable(variable) : given;
}

// Where ssh may keep the sockets of shared connections.
std::string ControlFolder() {
  if (const std::string runtime = Variable("XDG_RUNTIME_DIR"); !runtime.empty()) {
    return runtime + "/skytrain-ssh";
  }
  const std::string home = Variable("HOME");
  return home.empty() ? "" : home + "/.skytrain/ssh";
}

// SKYTRAIN_TOKEN, else what `skytrain login` stored; empty: none.
absl::StatusOr<std::string> TokenFor(const Target& target) {
  if (const std::string token = Variable("SKYTRAIN_TOKEN"); !token.empty()) {
    RETURN_IF_ERROR(CheckToken(token));
    return token;
  }
  const absl::StatusOr<std::string> path = CredentialsFile::DefaultPath();
  if (!path.ok()) return std::string();  // No home, no file.
  return CredentialsFile(*path).Find(target.shown);
}

}  // namespace

absl::StatusOr<Target> Context::FindTarget() const {
  return ResolveTarget(server, TargetEnvironment::FromProcess());
}

ConnectOptions Context::Options() {
  ConnectOptions options;
  options.tls = {FirstOf(tls.ca, "SKYTRAIN_CA"), FirstOf(tls.certificate, "SKYTRAIN_CERT"),
                 FirstOf(tls.key, "SKYTRAIN_KEY")};
  if (const std::string command = Variable("SKYTRAIN_SSH"); !command.empty()) {
    options.ssh.command = absl::StrSplit(command, ' ', absl::SkipEmpty());
  }
  if (const std::string remote = Variable("SKYTRAIN_REMOTE"); !remote.empty()) {
    options.ssh.remote = remote;
  }
  options.ssh.control_folder = ControlFolder();
  options.ssh.may_prompt = err_.interactive;
  if (give_up.has_value()) options.patience.length = options.give_up = *give_up;
  options.patience.on_waiting = [this](const absl::Status& status) {
    if (err_.interactive) Err(absl::StrCat(status.message(), "\ntrying again …\n"));
  };
  return options;
}

absl::StatusOr<Client*> Context::Connect() {
  if (client_ == nullptr) {
    ASSIGN_OR_RETURN(Target target, FindTarget());
    ConnectOptions options = Options();
    if (target.kind == Target::Kind::kTls) {
      ASSIGN_OR_RETURN(options.token, TokenFor(target));
    }
    client_ = std::make_unique<Client>(std::move(target), interrupt_, std::move(options));
  }
  return client_.get();
}

absl::StatusOr<std::unique_ptr<Client>> Context::ConnectWithToken(const Target& target,
                                                                  const std::string& token) {
  RETURN_IF_ERROR(CheckToken(token));
  ConnectOptions options = Options();
  options.token = token;
  return std::make_unique<Client>(target, interrupt_, std::move(options));
}

void Context::Out(absl::string_view text) {
  if (fwrite(text.data(), 1, text.size(), stdout) == text.size() && fflush(stdout) == 0) return;
  // A full disk behind a redirection: the result is not whole, and a script must not think so.
  perror("skytrain: cannot write the result");
  _Exit(kExitFailed);
}

void Context::Err(absl::string_view text) {
  fwrite(text.data(), 1, text.size(), stderr);
  fflush(stderr);
}

}  // namespace skytrain::client
