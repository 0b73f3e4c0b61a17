#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/support/temp_dir.h"

namespace skytrain {

// A real sshd on loopback with configuration, keys and a port of its own, for the user who runs the
// tests. Everything that it or its clients started is killed at the end.
class SshServer {
 public:
  SshServer();
  ~SshServer();

  // UNAVAILABLE when there is no sshd on this machine.
  absl::Status Start();

  int port() const { return port_; }
  // An ssh command that uses this server's keys and notes its arguments, a line each time.
  std::vector<std::string> Command() const { return {dir_.File("ssh")}; }
  std::vector<std::string> Calls() const;
  // A private folder with a short path, for shared connections.
  std::string ControlFolder() const { return dir_.File("cm"); }
  // Kills every ssh client of this server; how many there were.
  int KillClients();
  // Processes of such clients, zombies too.
  int Clients() const;
  // The server no longer takes the user's key.
  void Forget();
  // The server has another key than the clients know.
  absl::Status ChangeHostKey();

 private:
  absl::Status Launch();
  void Stop();
  std::vector<int> Pids(bool clients) const;

  TempDir dir_;
  int port_ = 0;
  int pid_ = 0;
};

}  // namespace skytrain
