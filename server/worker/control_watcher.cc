#include "server/worker/control_watcher.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace skytrain {
namespace {

constexpr int kLookEveryMilliseconds = 1000;

sigset_t ControlSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGUSR1);
  return signals;
}

}  // namespace

void BlockControlSignals() {
  const sigset_t signals = ControlSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

absl::StatusOr<std::unique_ptr<ControlWatcher>> ControlWatcher::Start(
    const AttemptDir& dir, training::RunControl& control) {
  const sigset_t signals = ControlSignals();
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd < 0) return absl::ErrnoToStatus(errno, "signalfd");
  const int wake_fd = eventfd(0, EFD_CLOEXEC);
  if (wake_fd < 0) {
    close(signal_fd);
    return absl::ErrnoToStatus(errno, "eventfd");
  }
  std::unique_ptr<ControlWatcher> watcher(new ControlWatcher(dir, control, signal_fd, wake_fd));
  watcher->Look();
  watcher->thread_ = std::thread([raw = watcher.get()] { raw->Run(); });
  return watcher;
}

ControlWatcher::ControlWatcher(const AttemptDir& dir, training::RunControl& control, int signal_fd,
                               int wake_fd)
    : dir_(dir), control_(control), signal_fd_(signal_fd), wake_fd_(wake_fd) {}

ControlWatcher::~ControlWatcher() {
  const uint64_t one = 1;
  if (write(wake_fd_, &one, sizeof(one)) == sizeof(one) && thread_.joinable()) thread_.join();
  close(signal_fd_);
  close(wake_fd_);
}

bool ControlWatcher::Look() {
  const auto control = dir_.ReadControl();
  // A file that cannot be read now is looked at again in a second.
  if (!control.ok() || !control->has_value()) return false;
  if ((*control)->generation() <= seen_generation_) return false;
  seen_generation_ = (*control)->generation();
  switch ((*control)->want()) {
    case internal::v1::Control::WANT_STOP:
      control_.stop = true;
      break;
    case internal::v1::Control::WANT_CHECKPOINT:
      control_.checkpoint = true;
      break;
    default:
      break;
  }
  return true;
}

void ControlWatcher::Run() {
  pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  for (;;) {
    if (poll(fds, 2, kLookEveryMilliseconds) < 0 && errno != EINTR) return;
    if ((fds[1].revents & POLLIN) != 0) return;
    bool asked_to_stop = false;
    signalfd_siginfo info;
    while (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
      asked_to_stop |= info.ssi_signo != SIGUSR1;
    }
    if (!Look() && asked_to_stop) control_.stop = true;
  }
}

}  // namespace skytrain
