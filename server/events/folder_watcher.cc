#include "server/events/folder_watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace skytrain {
namespace {

// Empties a non-blocking descriptor: one look at the folder serves every change before it.
void Drain(int fd) {
  char buffer[4096];
  while (read(fd, buffer, sizeof(buffer)) > 0) {
  }
}

int PollMilliseconds(absl::Duration timeout) {
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 0, 60'000));
}

}  // namespace

FolderWatcher::FolderWatcher()
    : inotify_fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

FolderWatcher::~FolderWatcher() {
  if (inotify_fd_ >= 0) close(inotify_fd_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

bool FolderWatcher::Watch(const std::string& path) {
  return inotify_fd_ >= 0 &&
         inotify_add_watch(inotify_fd_, path.c_str(),
                           IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0;
}

void FolderWatcher::Wait(absl::Duration timeout) {
  pollfd fds[] = {{wake_fd_, POLLIN, 0}, {inotify_fd_, POLLIN, 0}};  // A negative fd is skipped.
  poll(fds, 2, PollMilliseconds(timeout));
  if (fds[0].revents != 0) Drain(wake_fd_);
  if (fds[1].revents != 0) Drain(inotify_fd_);
}

void FolderWatcher::WaitForWake(absl::Duration timeout) {
  pollfd woken{wake_fd_, POLLIN, 0};
  poll(&woken, 1, PollMilliseconds(timeout));
  if (woken.revents != 0) Drain(wake_fd_);
}

void FolderWatcher::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then Wait returns at once anyway.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

}  // namespace skytrain
