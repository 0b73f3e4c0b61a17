#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "skytrain/internal/v1/attempt.pb.h"

namespace skytrain {

// (host, boot id, pid, start time) of this process or of `pid`. NOT_FOUND when there is no such
// process; a zombie is none.
absl::StatusOr<internal::v1::ProcessId> Self();
absl::StatusOr<internal::v1::ProcessId> Identify(int pid);

// What can be known of a process from here.
enum class Liveness {
  kAlive,
  kDead,     // Same host: no process with this pid and start time, or another boot.
  kUnknown,  // Another host: not ours to judge.
};
Liveness IsAlive(const internal::v1::ProcessId& id);

// The real uid of a process. NOT_FOUND.
absl::StatusOr<uint32_t> UserOf(int pid);

// Sends `signal` through a pidfd after comparing the identity, so that a reused pid is never hit.
// NOT_FOUND when it is gone, or `uid` is given and it is not that user's (for root, who may signal
// everybody's); FAILED_PRECONDITION when it belongs to another host.
absl::Status SignalProcess(const internal::v1::ProcessId& id, int signal,
                           std::optional<uint32_t> uid = std::nullopt);

struct SpawnOptions {
  std::vector<std::string> argv;         // argv[0]: absolute path.
  std::vector<std::string> environment;  // "K=V", the whole environment.
  std::string working_dir;               // Empty: unchanged.
  // -1: /dev/null. Else the number itself (stdout_fd = 1 shares ours), or one above 2.
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;
  std::vector<int> keep_fds;  // Inherited with the same number.
  bool new_process_group = false;
  int process_group = 0;  // Above 0: joins this one.
  bool new_session = false;
  std::vector<int> blocked_signals;  // Blocked in the child from its first instruction on.
};
// posix_spawn; never fork: safe with threads, gRPC and CUDA. The child's pid.
absl::StatusOr<int> Spawn(const SpawnOptions& options);

}  // namespace skytrain
