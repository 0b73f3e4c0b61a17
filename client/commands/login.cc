#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/api/credentials.h"
#include "client/commands/commands.h"
#include "client/render/format.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

// Turns the terminal's echo off while it lives; does nothing off a terminal.
class NoEcho {
 public:
  NoEcho() : terminal_(tcgetattr(0, &before_) == 0) {
    if (!terminal_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(0, TCSAFLUSH, &silent);
  }
  ~NoEcho() {
    if (terminal_) tcsetattr(0, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

  bool terminal() const { return terminal_; }

 private:
  termios before_{};
  const bool terminal_;
};

// From the terminal, unseen, or the first line of stdin: never from the command line, which others
// can read in the process list.
std::string AskForToken(Context& context, const std::string& server) {
  const NoEcho no_echo;
  if (no_echo.terminal()) context.Err(absl::StrCat("token for ", server, ": "));
  // A signal is caught by another thread, so a plain read would go on.
  pollfd polled{0, POLLIN, 0};
  while (!context.interrupt().raised() && poll(&polled, 1, 100) == 0) continue;
  std::string line;
  if (!context.interrupt().raised()) std::getline(std::cin, line);
  if (no_echo.terminal()) context.Err("\n");
  return std::string(absl::StripAsciiWhitespace(line));
}

absl::StatusOr<Target> TlsTarget(const Context& context) {
  ASSIGN_OR_RETURN(const Target target, context.FindTarget());
  if (target.kind == Target::Kind::kTls) return target;
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "NO_LOGIN_NEEDED",
                         absl::StrCat(target.shown, " takes no token: the system itself says who ",
                                      "you are; tokens are for --server HOST:PORT"));
}

}  // namespace

absl::StatusOr<ExitCode> Login(Context& context) {
  ASSIGN_OR_RETURN(const Target target, TlsTarget(context));
  ASSIGN_OR_RETURN(const std::string path, CredentialsFile::DefaultPath());
  const std::string token = AskForToken(context, target.shown);
  if (context.interrupt().raised()) return absl::CancelledError("interrupted");
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, context.ConnectWithToken(target, token));
  ASSIGN_OR_RETURN(const v1::ServerInfo info, client->GetServerInfo());
  RETURN_IF_ERROR(CredentialsFile(path).Store(target.shown, token));
  context.Err(absl::StrCat("logged in to ", target.shown, info.caller().empty() ? "" : " as ",
                           Printable(info.caller()), "; the token is in ", path, "\n"));
  return kExitOk;
}

absl::StatusOr<ExitCode> Logout(Context& context) {
  ASSIGN_OR_RETURN(const Target target, TlsTarget(context));
  ASSIGN_OR_RETURN(const std::string path, CredentialsFile::DefaultPath());
  RETURN_IF_ERROR(CredentialsFile(path).Remove(target.shown));
  context.Err(absl::StrCat("logged out of ", target.shown,
                           ": the token is gone from here; an administrator revokes it with ",
                           "skytraind token revoke\n"));
  return kExitOk;
}

}  // namespace skytrain::client
