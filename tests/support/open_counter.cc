#include "tests/support/open_counter.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace skytrain {
namespace {

constexpr int kPatienceMs = 20'000;

}  // namespace

OpenCounter::OpenCounter(const std::string& path) : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  // The closes too: equal events that follow each other are told as one.
  EXPECT_GE(inotify_add_watch(fd_, path.c_str(), IN_OPEN | IN_CLOSE), 0) << path;
}

OpenCounter::~OpenCounter() { close(fd_); }

void OpenCounter::AwaitOpens(int count) const {
  while (count > 0) {
    pollfd ready{fd_, POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, kPatienceMs), 1) << count << " more opens were expected";
    inotify_event event;  // A watch of one file: no names follow.
    while (read(fd_, &event, sizeof(event)) == sizeof(event)) {
      count -= (event.mask & IN_OPEN) != 0;
    }
  }
}

}  // namespace skytrain
