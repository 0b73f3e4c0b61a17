#include "server/shepherd/rank_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/process/pidfd.h"
#include "common/process/process.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::AttemptSpec;

std::string VisibleGpus(const AttemptSpec& spec) {
  std::vector<absl::string_view> gpus;
  for (absl::string_view device : spec.devices()) {
    if (absl::ConsumePrefix(&device, "gpu:")) gpus.push_back(device);
  }
  return absl::StrJoin(gpus, ",");
}

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  return variables;
}

// The reading end is ours and does not block; the writing end goes to the child.
struct Pipe {
  int read_fd = -1;
  int write_fd = -1;
  ~Pipe() {
    if (read_fd >= 0) close(read_fd);
    if (write_fd >= 0) close(write_fd);
  }
  absl::Status Open() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
    read_fd = fds[0];
    write_fd = fds[1];
    fcntl(read_fd, F_SETFL, O_NONBLOCK);
    return absl::OkStatus();
  }
};

}  // namespace

std::vector<std::string> RankEnvironment(const AttemptSpec& spec, int rank,
                                         const std::vector<std::string>& inherited) {
  const std::vector<std::string> fixed = {
      absl::StrCat("SKYTRAIN_RANK=", rank),
      absl::StrCat("SKYTRAIN_WORLD_SIZE=", std::max(spec.world_size(), 1)),
      absl::StrCat("OMP_NUM_THREADS=", std::max(spec.threads(), 1)),
      // Spinning barriers cost many times more than they gain once a core is shared.
      "OMP_WAIT_POLICY=passive",
      // cuBLAS is deterministic only with this, and reads it once.
      "CUBLAS_WORKSPACE_CONFIG=:4096:8",
      // CUDA's own order is by speed; "gpu:N" is the driver's number.
      "CUDA_DEVICE_ORDER=PCI_BUS_ID",
      absl::StrCat("CUDA_VISIBLE_DEVICES=", VisibleGpus(spec)),
  };
  std::vector<std::string> environment;
  for (const std::string& variable : inherited) {
    bool replaced = false;
    for (const std::string& ours : fixed) {
      replaced |= absl::StartsWith(variable, ours.substr(0, ours.find('=') + 1));
    }
    if (!replaced) environment.push_back(variable);
  }
  environment.insert(environment.end(), fixed.begin(), fixed.end());
  return environment;
}

absl::StatusOr<std::unique_ptr<RankProcess>> RankProcess::Start(const AttemptSpec& spec,
                                                                const Options& options) {
  Pipe out, err;
  RETURN_IF_ERROR(out.Open());
  RETURN_IF_ERROR(err.Open());
  SpawnOptions spawn;
  spawn.argv = {spec.worker_binary(), "--attempt", options.attempt_dir};
  spawn.environment = RankEnvironment(spec, options.rank, OwnEnvironment());
  spawn.working_dir = options.attempt_dir;
  spawn.stdout_fd = out.write_fd;
  spawn.stderr_fd = err.write_fd;
  spawn.keep_fds = {options.lock_fd};
  spawn.new_process_group = options.process_group == 0;
  spawn.process_group = options.process_group;
  // A signal that came before the worker has its handlers would end it.
  spawn.blocked_signals = {SIGTERM, SIGUSR1};
  ASSIGN_OR_RETURN(const int pid, Spawn(spawn));
  std::unique_ptr<RankProcess> process(new RankProcess);
  process->rank_ = options.rank;
  process->pid_ = pid;
  process->pidfd_ = PidfdOpen(pid);
  if (process->pidfd_ < 0) {
    const int error = errno;
    kill(pid, SIGKILL);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot watch process ", pid));
  }
  process->stdout_fd_ = std::exchange(out.read_fd, -1);
  process->stderr_fd_ = std::exchange(err.read_fd, -1);
  return process;
}

RankProcess::~RankProcess() {
  for (const int fd : {pidfd_, stdout_fd_, stderr_fd_}) {
    if (fd >= 0) close(fd);
  }
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

std::optional<RankExit> RankProcess::Exit() const {
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return std::nullopt;
  }
  if (info.si_code == CLD_EXITED) return RankExit{info.si_status, 0};
  return RankExit{0, info.si_status};
}

void RankProcess::Signal(int signal) const {
  // Fails only when it has left already, and its zombie keeps the pid ours.
  PidfdSendSignal(pidfd_, signal);
}

}  // namespace skytrain
