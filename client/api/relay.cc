#include "client/api/relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace skytrain::client {
namespace {

constexpr size_t kBuffer = 64 << 10;

// One direction. Reads only when everything read before is written.
class Flow {
 public:
  Flow(int from, int to) : from_(from), to_(to), buffer_(kBuffer, '\0') {}

  bool reading() const { return !ended_ && start_ == end_; }
  bool writing() const { return start_ < end_; }
  bool over() const { return ended_ && start_ == end_; }

  // After poll said that `from` is readable. An error of the connection is its end.
  void Read() {
    const ssize_t got = read(from_, buffer_.data(), buffer_.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    start_ = 0;
    end_ = got > 0 ? static_cast<size_t>(got) : 0;
    ended_ = got <= 0;
  }

  // After poll said that `to` is writable. False: nobody reads there any more.
  bool Write() {
    const ssize_t written = write(to_, buffer_.data() + start_, end_ - start_);
    if (written < 0) return errno == EINTR || errno == EAGAIN;
    start_ += static_cast<size_t>(written);
    return true;
  }

 private:
  const int from_, to_;
  std::string buffer_;
  size_t start_ = 0, end_ = 0;  // What is read and not yet written.
  bool ended_ = false;
};

}  // namespace

absl::Status Relay(int in, int out, int socket) {
  Flow up(in, socket), down(socket, out);
  bool half_closed = false;
  while (!down.over()) {
    if (up.over() && !half_closed) {
      shutdown(socket, SHUT_WR);
      half_closed = true;
    }
    const short up_events = up.reading() ? POLLIN : 0;
    const short socket_events =
        static_cast<short>((down.reading() ? POLLIN : 0) | (up.writing() ? POLLOUT : 0));
    // A negative descriptor is left out. `out` is always looked at: an error there ends all.
    pollfd polled[] = {{up_events != 0 ? in : -1, up_events, 0},
                       {socket_events != 0 ? socket : -1, socket_events, 0},
                       {out, static_cast<short>(down.writing() ? POLLOUT : 0), 0}};
    if (poll(polled, 3, -1) < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "poll");
    }
    if (polled[0].revents != 0) up.Read();
    if ((polled[1].revents & POLLOUT) != 0 && up.writing() && !up.Write()) break;
    if ((polled[1].revents & ~POLLOUT) != 0 && down.reading()) down.Read();
    if ((polled[2].revents & POLLOUT) != 0 && down.writing() && !down.Write()) break;
    if ((polled[2].revents & (POLLERR | POLLNVAL)) != 0) break;
  }
  return absl::OkStatus();
}

}  // namespace skytrain::client
