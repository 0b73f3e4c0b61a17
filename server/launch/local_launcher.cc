#include "server/launch/local_launcher.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/process/pidfd.h"
#include "common/process/process.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  return variables;
}

}  // namespace

// Buries shepherds that have left, so that they do not stay as zombies. A thread with pidfds rather
// than a SIGCHLD handler: the process may have other children, of libraries, which are not ours to
// wait for.
class LocalLauncher::Reaper {
 public:
  Reaper() : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)), stop_fd_(eventfd(0, EFD_CLOEXEC)) {
    AddToEpoll(stop_fd_);
    thread_ = std::thread([this] { Run(); });
  }
  ~Reaper() {
    eventfd_write(stop_fd_, 1);
    thread_.join();
    close(stop_fd_);
    close(epoll_fd_);
  }

  // Takes care of child `pid` from now on.
  void Adopt(int pid) {
    const int pidfd = PidfdOpen(pid);
    // Without a descriptor to spare it stays a zombie until we leave, and no more than that.
    if (pidfd >= 0 && !AddToEpoll(pidfd)) close(pidfd);
  }

 private:
  bool AddToEpoll(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void Run() {
    while (true) {
      epoll_event event;
      const int count = epoll_wait(epoll_fd_, &event, 1, -1);
      if (count < 0 && errno != EINTR) return;
      if (count != 1) continue;
      if (event.data.fd == stop_fd_) return;
      siginfo_t info;
      waitid(P_PIDFD, static_cast<id_t>(event.data.fd), &info, WEXITED | WNOHANG);
      close(event.data.fd);  // Leaves the epoll set with it.
    }
  }

  const int epoll_fd_;
  const int stop_fd_;
  std::thread thread_;
};

LocalLauncher::LocalLauncher(std::string shepherd_binary)
    : shepherd_binary_(std::move(shepherd_binary)), reaper_(std::make_unique<Reaper>()) {}

LocalLauncher::~LocalLauncher() = default;

absl::Status LocalLauncher::Launch(const AttemptDir& attempt) {
  const std::string log = absl::StrCat(attempt.path(), "/shepherd.log");
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  SpawnOptions options;
  options.argv = {shepherd_binary_, "--attempt", attempt.path()};
  options.environment = OwnEnvironment();
  options.stdout_fd = log_fd;  // -1, /dev/null, when it cannot be opened: the log is a convenience.
  options.stderr_fd = log_fd;
  options.new_session = true;
  // A poke that comes before it reads its signals must not end it.
  options.blocked_signals = {SIGTERM, SIGUSR1};
  const auto pid = Spawn(options);
  if (log_fd >= 0) close(log_fd);
  RETURN_IF_ERROR(pid.status());
  reaper_->Adopt(*pid);
  return absl::OkStatus();
}

absl::Status LocalLauncher::Poke(const AttemptDir& attempt) {
  ASSIGN_OR_RETURN(const auto claim, attempt.ReadClaim());
  if (!claim.has_value() || !claim->has_shepherd()) {
    return absl::NotFoundError(absl::StrCat(attempt.path(), " has no shepherd"));
  }
  return SignalProcess(claim->shepherd(), SIGUSR1);
}

}  // namespace skytrain
