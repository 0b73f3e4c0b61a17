#include "server/helper/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/file/file_identity.h"
#include "common/ids.h"
#include "common/last_line.h"
#include "common/process/process.h"
#include "common/process/run_as.h"
#include "common/status_bytes.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

absl::Status Failed(const Helper& helper, absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kInternal, helper.failed,
                         absl::StrCat(helper.what, " failed: ", why));
}

absl::Status Draining() {
  return WithRetryDelay(ErrorWithReason(absl::StatusCode::kUnavailable, "DRAINING",
                                        "the daemon is stopping. Try again when it is back"),
                        absl::Seconds(2));
}

std::vector<std::string> Environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

// The name is new, and in a user's folder it is made with the user's rights.
int OpenLog(const std::string& path, const Account* account) {
  std::optional<ScopedFileIdentity> identity;
  if (account != nullptr && !identity.emplace(account->ids).status().ok()) return -1;
  return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

enum class Ended { kExited, kTimeout, kStopped };

// Waits for the child; kills it at the timeout or when `stop_fd` becomes readable. The child is
// always reaped.
Ended WaitForChild(int pid, absl::Duration timeout, int stop_fd, int* wait_status) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  Ended ended = Ended::kExited;
  if (pidfd >= 0) {
    pollfd polled[2] = {{pidfd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
    const absl::Time deadline = absl::Now() + timeout;
    int ready = 0;
    do {
      const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
      ready = poll(polled, 2, static_cast<int>(std::max<int64_t>(left, 0)));
    } while (ready < 0 && errno == EINTR);
    if ((polled[0].revents & POLLIN) == 0) {
      ended = ready == 0 ? Ended::kTimeout : Ended::kStopped;
      kill(pid, SIGKILL);  // Not reaped yet, so the pid is still its own.
    }
    close(pidfd);
  }
  while (waitpid(pid, wait_status, 0) < 0 && errno == EINTR) {
  }
  return ended;
}

}  // namespace

HelperStop::HelperStop() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

HelperStop::~HelperStop() { close(fd_); }

void HelperStop::Raise() {
  const uint64_t one = 1;
  // The counter cannot overflow, so the write cannot fail.
  if (write(fd_, &one, sizeof(one)) < 0) errno = 0;
}

absl::StatusOr<std::string> HelperPath(FileSystem& fs, const std::string& scratch_dir,
                                       const Account* account) {
  std::string folder = scratch_dir;
  if (account != nullptr) {
    ASSIGN_OR_RETURN(folder, FolderOf(*account, scratch_dir));
  } else if (const absl::Status made = fs.CreateDir(folder);
             !made.ok() && !absl::IsAlreadyExists(made)) {
    return made;
  }
  return absl::StrCat(folder, "/", NewUid());
}

absl::StatusOr<std::string> RunHelper(const Helper& helper, const HelperStop& stop) {
  SpawnOptions spawn;
  spawn.argv = helper.argv;
  spawn.environment = Environment();
  if (helper.account != nullptr) {
    spawn.argv.push_back("--run-as");
    spawn.argv.push_back(FormatRunAs(helper.account->ids));
    spawn.environment = EnvironmentFor(*helper.account, spawn.environment);
    spawn.working_dir = "/";
  }
  spawn.new_process_group = true;  // Ctrl-C in the daemon's terminal is the daemon's business.
  const int log_fd = OpenLog(helper.log_path, helper.account);
  spawn.stderr_fd = log_fd;
  const absl::StatusOr<int> pid = Spawn(spawn);
  if (log_fd >= 0) close(log_fd);
  if (!pid.ok()) return Failed(helper, pid.status().message());

  int wait_status = 0;
  switch (WaitForChild(*pid, helper.timeout, stop.fd(), &wait_status)) {
    case Ended::kTimeout:
      return ErrorWithReason(
          absl::StatusCode::kDeadlineExceeded, helper.timed_out,
          absl::StrCat(helper.what, " took longer than ", absl::FormatDuration(helper.timeout)));
    case Ended::kStopped:
      return Draining();
    case Ended::kExited:
      break;
  }
  const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
  if (code != 0 && code != 1) {
    const std::string how = code >= 0 ? absl::StrCat("exit code ", code)
                                      : absl::StrCat("killed by signal ", WTERMSIG(wait_status));
    const std::string said = LastLine(helper.fs->ReadFile(helper.log_path, 1 << 20).value_or(""));
    return Failed(helper, said.empty() ? how : absl::StrCat(how, "; it said: ", said));
  }
  ASSIGN_OR_RETURN(const std::string answer,
                   helper.fs->ReadFile(helper.out_path, helper.max_answer_bytes));
  if (code == 0) return answer;
  const absl::Status status = StatusFromBytes(answer);
  return ReasonOf(status).empty() && absl::IsInternal(status) ? Failed(helper, status.message())
                                                              : status;
}

}  // namespace skytrain
