#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "skytrain/internal/v1/attempt.pb.h"

namespace skytrain {

// How a rank's process left.
struct RankExit {
  int exit_code = 0;
  int signal = 0;  // That ended it; 0: it left by itself.
};

// The environment of rank `rank`: ours, with what the attempt fixes.
std::vector<std::string> RankEnvironment(const internal::v1::AttemptSpec& spec, int rank,
                                         const std::vector<std::string>& inherited);

// The process of one rank. Its zombie is kept until the object dies: as long as the zombie of the
// group's first process is there, the group's number cannot come to mean another group. Not
// thread-safe.
class RankProcess {
 public:
  struct Options {
    int rank = 0;
    int process_group = 0;  // 0: leads a new one.
    int lock_fd = -1;       // Inherited, so that the attempt's lock lives as long as the rank.
    std::string attempt_dir;
  };
  static absl::StatusOr<std::unique_ptr<RankProcess>> Start(const internal::v1::AttemptSpec& spec,
                                                            const Options& options);
  ~RankProcess();
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;

  int rank() const { return rank_; }
  int pid() const { return pid_; }
  int pidfd() const { return pidfd_; }  // Readable when the process has left.
  int stdout_fd() const { return stdout_fd_; }
  int stderr_fd() const { return stderr_fd_; }

  // nullopt while it runs.
  std::optional<RankExit> Exit() const;
  void Signal(int signal) const;

 private:
  RankProcess() = default;

  int rank_ = 0;
  int pid_ = -1;
  int pidfd_ = -1;
  int stdout_fd_ = -1;
  int stderr_fd_ = -1;
};

}  // namespace skytrain
