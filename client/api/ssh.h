#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/api/interrupt.h"
#include "client/api/target.h"

namespace skytrain::client {

struct SshOptions {
  std::vector<std::string> command = {"ssh"};  // SKYTRAIN_SSH, split at spaces.
  std::string remote = "skytrain";             // SKYTRAIN_REMOTE: our own program on the node.
  // A folder of the caller's alone, for sockets of shared connections; empty: share none.
  std::string control_folder;
  bool may_prompt = false;  // There is a terminal to ask for a password on, at the first connect.
};

// One running `ssh NODE skytrain dial-stdio`. Not thread-safe.
class SshSession {
 public:
  // Starts ssh and waits until the daemon behind it has said its first bytes. Reads nothing of
  // them. Errors carry what ssh said: UNAVAILABLE (SSH_LINK_LOST) may pass; SSH_FAILED,
  // NOT_INSTALLED (FAILED_PRECONDITION), SSH_REFUSED (PERMISSION_DENIED), BAD_SSH_COMMAND stay.
  static absl::StatusOr<std::unique_ptr<SshSession>> Start(const Target& target,
                                                           const SshOptions& options, bool prompt,
                                                           Interrupt& interrupt);
  // Ends ssh and waits for it.
  ~SshSession();
  SshSession(const SshSession&) = delete;
  SshSession& operator=(const SshSession&) = delete;

  // The socket that leads to the daemon, non-blocking; the caller's from now on.
  int TakeSocket();
  // Ends ssh; why it ended. Never OK.
  absl::Status End();
  // What ssh and the program on the node wrote to stderr so far, a few KiB at most.
  std::string Said() const;

 private:
  SshSession(const Target& target, const SshOptions& options, bool prompt)
      : target_(target), options_(options), prompt_(prompt) {}

  absl::Status Spawn();
  absl::Status AwaitServer(Interrupt& interrupt);
  // Waits for ssh's end, with force after `patience`.
  void Reap(absl::Duration patience);
  absl::Status Judge() const;

  const Target target_;
  const SshOptions options_;
  const bool prompt_;
  int pid_ = 0;
  int socket_ = -1;
  int stderr_ = -1;       // A file in memory: a master connection that stays holds it open.
  bool through_ = false;  // The daemon was heard.
  int exit_code_ = -1;
};

}  // namespace skytrain::client
