#include "tests/support/ssh_server.h"

#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/process/process.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr char kSshd[] = "/usr/sbin/sshd";

std::vector<std::string> Environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

absl::Status RunToEnd(std::vector<std::string> argv) {
  SpawnOptions spawn;
  spawn.argv = std::move(argv);
  spawn.environment = Environment();
  ASSIGN_OR_RETURN(const int pid, Spawn(spawn));
  int status = 0;
  waitpid(pid, &status, 0);
  return status == 0 ? absl::OkStatus() : absl::InternalError(spawn.argv[0] + " failed");
}

absl::Status MakeKey(const std::string& path) {
  unlink(path.c_str());
  return RunToEnd({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path});
}

std::string ReadProc(int pid, const char* file) {
  std::ifstream stream(absl::StrCat("/proc/", pid, "/", file), std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// sshd cannot choose a port itself; somebody else may take this one first.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

bool TakesConnections(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  const bool taken = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return taken;
}

}  // namespace

SshServer::SshServer() = default;

SshServer::~SshServer() {
  Stop();
  for (const int pid : Pids(/*clients=*/false)) kill(pid, SIGKILL);
}

absl::Status SshServer::Start() {
  if (access(kSshd, X_OK) != 0) return absl::UnavailableError("there is no sshd here");
  if (geteuid() == 0) mkdir("/run/sshd", 0755);
  RETURN_IF_ERROR(MakeKey(dir_.File("host_key")));
  RETURN_IF_ERROR(MakeKey(dir_.File("user_key")));
  WriteWhole(dir_.File("authorized"), ReadWhole(dir_.File("user_key.pub")));
  WriteWhole(dir_.File("ssh_config"),
             absl::StrCat("Host *\n  IdentityFile ", dir_.File("user_key"),
                          "\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile ",
                          dir_.File("known_hosts"), "\n  StrictHostKeyChecking accept-new\n"));
  WriteWhole(dir_.File("ssh"),
             absl::StrCat("#!/bin/sh\necho \"$@\" >> ", dir_.File("calls"), "\nexec ssh -F ",
                          dir_.File("ssh_config"), " \"$@\"\n"));
  chmod(dir_.File("ssh").c_str(), 0700);
  absl::Status status;
  for (int tries = 0; tries < 5; ++tries) {
    port_ = FreePort();
    status = Launch();
    if (status.ok()) break;
  }
  return status;
}

absl::Status SshServer::Launch() {
  WriteWhole(dir_.File("sshd_config"),
             absl::StrCat("Port ", port_, "\nListenAddress 127.0.0.1\nHostKey ",
                          dir_.File("host_key"), "\nAuthorizedKeysFile ", dir_.File("authorized"),
                          "\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
                          "KbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n"));
  SpawnOptions spawn;
  spawn.argv = {kSshd, "-D", "-f", dir_.File("sshd_config"), "-E", dir_.File("sshd_log")};
  spawn.environment = Environment();
  ASSIGN_OR_RETURN(pid_, Spawn(spawn));
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!TakesConnections(port_)) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_ || absl::Now() > deadline) {
      return absl::InternalError(
          absl::StrCat("sshd does not start: ", ReadWhole(dir_.File("sshd_log"))));
    }
    std::this_thread::yield();
  }
  return absl::OkStatus();
}

void SshServer::Stop() {
  if (pid_ == 0) return;
  kill(pid_, SIGTERM);
  waitpid(std::exchange(pid_, 0), nullptr, 0);
}

std::vector<std::string> SshServer::Calls() const {
  return absl::StrSplit(ReadWhole(dir_.File("calls")), '\n', absl::SkipEmpty());
}

// Clients: the ssh commands themselves and the master of shared connections, whose title names its
// socket. A zombie has no command line any more, but is still our child.
std::vector<int> SshServer::Pids(bool clients) const {
  std::vector<int> pids;
  DIR* proc = opendir("/proc");
  while (const dirent* entry = readdir(proc)) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    const std::string command = ReadProc(pid, "cmdline");
    const std::string stat = ReadProc(pid, "stat");
    const bool named = absl::StrContains(command, dir_.path() + "/");
    const bool client = absl::StrContains(stat, "(ssh)");
    const bool zombie = client && absl::StrContains(stat, absl::StrCat(") Z ", getpid(), " "));
    if (clients ? (client && named) || zombie : named) pids.push_back(pid);
  }
  closedir(proc);
  return pids;
}

int SshServer::KillClients() {
  const std::vector<int> pids = Pids(/*clients=*/true);
  for (const int pid : pids) kill(pid, SIGKILL);
  return static_cast<int>(pids.size());
}

int SshServer::Clients() const { return static_cast<int>(Pids(/*clients=*/true).size()); }

void SshServer::Forget() { WriteWhole(dir_.File("authorized"), ""); }

absl::Status SshServer::ChangeHostKey() {
  Stop();
  RETURN_IF_ERROR(MakeKey(dir_.File("host_key")));
  return Launch();
}

}  // namespace skytrain
