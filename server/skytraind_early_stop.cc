#include "server/skytraind_early_stop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

namespace skytrain {

EarlyStop::EarlyStop(const sigset_t& signals, std::function<void(int signal)> last_words)
    : last_words_(std::move(last_words)), served_fd_(eventfd(0, EFD_CLOEXEC)) {
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  thread_ = std::thread([this, signal_fd] { Wait(signal_fd); });
}

EarlyStop::~EarlyStop() {
  eventfd_write(served_fd_, 1);
  thread_.join();
  close(served_fd_);
}

void EarlyStop::Wait(int signal_fd) {
  pollfd polled[] = {{served_fd_, POLLIN, 0}, {signal_fd, POLLIN, 0}};
  while (polled[0].revents == 0) {
    if (poll(polled, 2, -1) < 0) continue;
    signalfd_siginfo info;
    if (polled[1].revents == 0 || read(signal_fd, &info, sizeof(info)) != sizeof(info)) continue;
    last_words_(static_cast<int>(info.ssi_signo));
    _exit(0);
  }
  close(signal_fd);
}

}  // namespace skytrain
