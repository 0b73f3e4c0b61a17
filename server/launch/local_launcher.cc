#include "server/launch/local_launcher.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/file/file_identity.h"
#include "common/process/pidfd.h"
#include "common/process/process.h"
#include "common/process/run_as.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  return variables;
}

int OpenLogFile(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const int fd = open(path.c_str(), kFlags, 0666);
  struct stat info;
  if (fd < 0 || (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))) return fd;
  close(fd);
  return -1;
}

// -1: the log is a convenience.
int OpenLog(const std::string& path, const Account* run_as) {
  if (run_as == nullptr) return OpenLogFile(path);
  // The folder is the user's already: the name may lead anywhere.
  const ScopedFileIdentity identity(run_as->ids);
  return identity.status().ok() ? OpenLogFile(path) : -1;
}

}  // namespace

// Buries shepherds that have left, so that they do not stay as zombies. A thread with pidfds rather
// than a SIGCHLD handler: the process may have other children, of libraries, which are not ours to
// wait for.
class LocalLauncher::Reaper {
 public:
  explicit Reaper(std::function<void()> on_left)
      : on_left_(std::move(on_left)),
        epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
        stop_fd_(eventfd(0, EFD_CLOEXEC)) {
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
      if (on_left_) on_left_();
    }
  }

  const std::function<void()> on_left_;
  const int epoll_fd_;
  const int stop_fd_;
  std::thread thread_;
};

LocalLauncher::LocalLauncher(std::string shepherd_binary)
    : LocalLauncher(std::move(shepherd_binary), Options()) {}

LocalLauncher::LocalLauncher(std::string shepherd_binary, Options options)
    : shepherd_binary_(std::move(shepherd_binary)),
      options_(std::move(options)),
      reaper_(std::make_unique<Reaper>(options_.on_left)) {}

LocalLauncher::~LocalLauncher() = default;

absl::Status LocalLauncher::Launch(const AttemptDir& attempt, const Account* run_as) {
  SpawnOptions options;
  options.argv = {shepherd_binary_};
  options.environment = OwnEnvironment();
  if (run_as != nullptr) {
    options.argv.insert(options.argv.end(), {"--run-as", FormatRunAs(run_as->ids), "--memory-limit",
                                             absl::StrCat(options_.memory_limit_bytes)});
    options.environment = EnvironmentFor(*run_as, options.environment);
    options.working_dir = "/";
  }
  options.argv.insert(options.argv.end(), {"--attempt", attempt.path()});
  const int log_fd = OpenLog(attempt.path() + "/shepherd.log", run_as);
  options.stdout_fd = log_fd;
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
  // The folder's owner wrote the claim, and it may name anybody's process.
  ASSIGN_OR_RETURN(const FileInfo folder, attempt.files().Info(attempt.path()));
  return SignalProcess(claim->shepherd(), SIGUSR1, folder.uid);
}

}  // namespace skytrain
