#include "client/api/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/api/tls_probe.h"
#include "common/errors.h"
#include "common/process/pidfd.h"
#include "common/process/process.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kConnect = absl::Seconds(30);
constexpr absl::Duration kConnectWithPrompt = absl::Minutes(5);  // Somebody looks for a token.
constexpr absl::Duration kEnd = absl::Seconds(2);
constexpr size_t kMostSaid = 4096;
constexpr size_t kLongestControlFolder = 48;  // + "/" + 40 hex digits + ssh's suffix of 17 <= 107.
constexpr int kSshFailed = 255;               // ssh's own trouble, not that of the remote program.
constexpr int kNotFound = 127;                // The remote shell knows no such program.
constexpr int kNotExecutable = 126;
constexpr int kUnreachable = 7;  // Our own program on the node found no daemon.
constexpr int kUsage = 2;        // ... does not know dial-stdio.

std::vector<std::string> Environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

// `program` as an absolute path, looked for in PATH.
absl::StatusOr<std::string> FindProgram(const std::string& program) {
  if (absl::StrContains(program, '/')) return program;
  const char* path = getenv("PATH");
  for (absl::string_view folder : absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string candidate = absl::StrCat(folder, "/", program);
    if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "BAD_SSH_COMMAND",
                         absl::StrCat("there is no program '", program,
                                      "' in PATH; install ssh or name it with SKYTRAIN_SSH"));
}

// For the shell on the node.
std::string Quoted(absl::string_view word) {
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

// The command with what says where to, before options and remote command.
std::vector<std::string> WhereTo(const Target& target) {
  std::vector<std::string> arguments;
  if (target.port != 0) arguments = {"-p", absl::StrCat(target.port)};
  if (!target.user.empty()) arguments.insert(arguments.end(), {"-l", target.user});
  arguments.push_back(target.host);
  return arguments;
}

std::string ReadFrom(int fd, size_t at_most) {
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) return "";
  // The end of it is what matters: banners come first.
  const off_t start = std::max<off_t>(0, info.st_size - static_cast<off_t>(at_most));
  std::string text(std::min<size_t>(at_most, info.st_size), '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), start);
  text.resize(std::max<ssize_t>(got, 0));
  return text;
}

// The user's configuration already shares connections to the target.
bool SharesConnections(const std::vector<std::string>& command, const Target& target) {
  const int output = memfd_create("ssh-config", MFD_CLOEXEC);
  SpawnOptions spawn;
  spawn.argv = command;
  spawn.argv.push_back("-G");
  for (std::string& argument : WhereTo(target)) spawn.argv.push_back(std::move(argument));
  spawn.environment = Environment();
  spawn.stdout_fd = output;
  const absl::StatusOr<int> pid = Spawn(spawn);
  bool shares = false;
  if (pid.ok()) {
    waitpid(*pid, nullptr, 0);
    for (absl::string_view line : absl::StrSplit(ReadFrom(output, 1 << 20), '\n')) {
      shares |= absl::ConsumePrefix(&line, "controlpath ") && line != "none";
    }
  }
  close(output);
  return shares;
}

// `folder` is there and nobody else's.
bool IsPrivateFolder(const std::string& folder) {
  for (size_t slash = folder.find('/', 1); slash != std::string::npos;
       slash = folder.find('/', slash + 1)) {
    mkdir(folder.substr(0, slash).c_str(), 0700);
  }
  mkdir(folder.c_str(), 0700);
  struct stat info;
  return lstat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
         (info.st_mode & 077) == 0;
}

std::vector<std::string> ControlOptions(const std::vector<std::string>& command,
                                        const SshOptions& options, const Target& target) {
  const std::string& folder = options.control_folder;
  if (folder.empty() || folder.size() > kLongestControlFolder || !IsPrivateFolder(folder) ||
      SharesConnections(command, target)) {
    return {};
  }
  // A master whose link is dead ends within half a minute, and with it the sessions that hang on
  // it.
  return {"-o", "ControlMaster=auto",   "-o", absl::StrCat("ControlPath=", folder, "/%C"),
          "-o", "ControlPersist=60s",   "-o", "ServerAliveInterval=10",
          "-o", "ServerAliveCountMax=3"};
}

// What ssh says when the network, not a decision, is at fault.
bool IsNetworkTrouble(absl::string_view said) {
  return absl::c_any_of(
      std::initializer_list<absl::string_view>{
          "timed out", "Connection refused", "Connection reset", "Connection closed",
          "Temporary failure", "No route to host", "Network is unreachable", "Broken pipe",
          "lost connection", "closed by remote host", "mux_client", "Session open refused",
          "banner exchange", "Timeout, server"},
      [said](absl::string_view text) { return absl::StrContains(said, text); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<SshSession>> SshSession::Start(const Target& target,
                                                              const SshOptions& options,
                                                              bool prompt, Interrupt& interrupt) {
  std::unique_ptr<SshSession> session(new SshSession(target, options, prompt));
  RETURN_IF_ERROR(session->Spawn());
  RETURN_IF_ERROR(session->AwaitServer(interrupt));
  return session;
}

SshSession::~SshSession() {
  if (socket_ >= 0) close(socket_);
  Reap(absl::ZeroDuration());
  if (stderr_ >= 0) close(stderr_);
}

int SshSession::TakeSocket() { return std::exchange(socket_, -1); }

absl::Status SshSession::End() {
  if (socket_ >= 0) close(std::exchange(socket_, -1));
  Reap(kEnd);
  return Judge();
}

std::string SshSession::Said() const {
  return std::string(absl::StripAsciiWhitespace(ReadFrom(stderr_, kMostSaid)));
}

absl::Status SshSession::Spawn() {
  if (options_.command.empty()) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "BAD_SSH_COMMAND",
                           "SKYTRAIN_SSH names no program");
  }
  std::vector<std::string> command = options_.command;
  ASSIGN_OR_RETURN(command[0], FindProgram(command[0]));
  SpawnOptions spawn;
  spawn.argv = command;
  for (const char* option : {"-T", "-a", "-x", "-o", "ConnectTimeout=10", "-o",
                             "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o"}) {
    spawn.argv.emplace_back(option);
  }
  spawn.argv.push_back(absl::StrCat("BatchMode=", prompt_ ? "no" : "yes"));
  for (std::string& option : ControlOptions(command, options_, target_)) {
    spawn.argv.push_back(std::move(option));
  }
  for (std::string& argument : WhereTo(target_)) spawn.argv.push_back(std::move(argument));
  spawn.argv.push_back(
      absl::StrCat(options_.remote, " dial-stdio",
                   target_.path.empty() ? "" : absl::StrCat(" --socket ", Quoted(target_.path))));
  spawn.environment = Environment();

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  socket_ = ends[0];
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  stderr_ = memfd_create("ssh-stderr", MFD_CLOEXEC);
  spawn.stdin_fd = spawn.stdout_fd = ends[1];
  spawn.stderr_fd = stderr_;
  const absl::StatusOr<int> pid = skytrain::Spawn(spawn);
  close(ends[1]);
  RETURN_IF_ERROR(pid.status());
  pid_ = *pid;
  return absl::OkStatus();
}

absl::Status SshSession::AwaitServer(Interrupt& interrupt) {
  const absl::Time deadline = absl::Now() + (prompt_ ? kConnectWithPrompt : kConnect);
  while (absl::Now() < deadline) {
    if (interrupt.raised()) return absl::CancelledError("interrupted");
    WaitFor(socket_, POLLIN, std::min(deadline, absl::Now() + absl::Milliseconds(100)));
    char bytes[256];
    const ssize_t got = recv(socket_, bytes, sizeof(bytes), MSG_PEEK);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return End();
    if (got < static_cast<ssize_t>(kHttp2FrameHeader)) continue;
    through_ = IsHttp2Settings(absl::string_view(bytes, got));
    if (through_) return absl::OkStatus();
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "SSH_FAILED",
        absl::StrCat(
            "the login shell on ", target_.host, " prints text before it runs skytrain: '",
            absl::StripAsciiWhitespace(absl::string_view(bytes, std::min<ssize_t>(got, 80))),
            "'; make its start-up files silent when there is no terminal"));
  }
  const std::string said = Said();
  return ErrorWithReason(absl::StatusCode::kUnavailable, "SSH_LINK_LOST",
                         absl::StrCat("ssh to ", target_.host,
                                      " did not get through to skytraind "
                                      "in time",
                                      said.empty() ? "" : ":\n", said));
}

void SshSession::Reap(absl::Duration patience) {
  if (pid_ == 0) return;
  // Without its stdin ssh ends by itself; a hanging one does not.
  const int pidfd = PidfdOpen(pid_);
  const auto gone = [pidfd](absl::Duration time) {
    return WaitFor(pidfd, POLLIN, absl::Now() + time);
  };
  if (!gone(patience)) {
    kill(pid_, SIGTERM);
    if (!gone(kEnd)) kill(pid_, SIGKILL);
  }
  if (pidfd >= 0) close(pidfd);
  int status = 0;
  waitpid(std::exchange(pid_, 0), &status, 0);
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

absl::Status SshSession::Judge() const {
  const std::string said = Said();
  const std::string& node = target_.host;
  const std::string quoted = said.empty() ? "" : absl::StrCat(":\n", said);
  if (exit_code_ == kNotFound || exit_code_ == kNotExecutable) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NOT_INSTALLED",
                           absl::StrCat("skytrain is not installed on ", node,
                                        " or not in PATH "
                                        "there; give its path with SKYTRAIN_REMOTE",
                                        quoted));
  }
  if (exit_code_ == kUsage) {
    return ErrorWithReason(absl::StatusCode::kUnimplemented, "OLD_REMOTE",
                           absl::StrCat("the skytrain on ", node,
                                        " does not know dial-stdio: it "
                                        "is older than this client",
                                        quoted));
  }
  if (exit_code_ == kUnreachable) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "NODE_HAS_NO_DAEMON",
                           absl::StrCat("ssh reached ", node, ", but there", quoted));
  }
  if (exit_code_ != kSshFailed || IsNetworkTrouble(said)) {
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "SSH_LINK_LOST",
        absl::StrCat(through_ ? "the ssh connection to " : "there is no ssh connection to ", node,
                     through_ ? " broke" : "", quoted));
  }
  if (absl::StrContains(said, "Permission denied") ||
      absl::StrContains(said, "Host key verification failed") ||
      absl::StrContains(said, "Too many authentication failures")) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "SSH_REFUSED",
        absl::StrCat("ssh to ", node, " was refused", quoted,
                     prompt_ ? ""
                             : absl::StrCat("\nNothing was asked (there is no terminal, or "
                                            "this was a reconnect): try ssh ",
                                            node, " by hand, and use a key or an agent")));
  }
  return ErrorWithReason(absl::StatusCode::kUnavailable, "SSH_FAILED",
                         absl::StrCat("ssh to ", node, " failed", quoted));
}

}  // namespace skytrain::client
