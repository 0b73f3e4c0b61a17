#include "tests/support/bad_proxy.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace skytrain {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kTick = 20;  // Milliseconds between looks at the clock.
constexpr size_t kChunk = 4096;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// Of "unix:PATH" or "127.0.0.1:PORT".
Address Parse(absl::string_view text) {
  Address address;
  if (absl::ConsumePrefix(&text, "unix:")) {
    auto& unix_address = reinterpret_cast<sockaddr_un&>(address.storage);
    unix_address.sun_family = AF_UNIX;
    text.copy(unix_address.sun_path, sizeof(unix_address.sun_path) - 1);
    address.size = sizeof(unix_address);
    return address;
  }
  int port = 0;
  if (!absl::SimpleAtoi(text.substr(text.rfind(':') + 1), &port)) abort();  // The test's mistake.
  auto& internet = reinterpret_cast<sockaddr_in&>(address.storage);
  internet.sin_family = AF_INET;
  internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  internet.sin_port = htons(static_cast<uint16_t>(port));
  address.size = sizeof(internet);
  return address;
}

// False when the other side takes no more.
bool SendAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(sent);
  }
  return true;
}

// The next close sends a reset (TCP).
void MakeAbrupt(int fd) {
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

}  // namespace

BadProxy::BadProxy(const std::string& back, uint32_t seed) : back_(back), random_(seed) {
  Address address = Parse(back);
  if (address.storage.ss_family == AF_UNIX) {
    folder_ = "/tmp/skytrain-proxy-XXXXXX";
    if (mkdtemp(folder_.data()) == nullptr) abort();
    front_ = absl::StrCat("unix:", folder_, "/s");
    address = Parse(front_);
  } else {
    address = Parse("127.0.0.1:0");
  }
  listener_ = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener_, address.get(), address.size) != 0 || listen(listener_, 128) != 0) abort();
  if (folder_.empty()) {
    getsockname(listener_, address.get(), &address.size);
    front_ = absl::StrCat("127.0.0.1:",
                          ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port));
  }
  acceptor_ = std::thread([this] { Accept(); });
}

BadProxy::~BadProxy() {
  done_ = true;
  acceptor_.join();
  {
    MutexLock lock(mu_);
    while (carried_ > 0) idle_.Wait(mu_);
  }
  close(listener_);
  if (!folder_.empty()) {
    unlink((folder_ + "/s").c_str());
    rmdir(folder_.c_str());
  }
}

BadProxy::Plan BadProxy::Draw() {
  MutexLock lock(mu_);
  const auto between = [this](int low, int high) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::uniform_int_distribution<int>(low, high)(random_);
  };
  Plan plan;
  plan.fault = static_cast<Fault>(between(kNone, kTruncate));
  // As often within the handshake as far into the stream.
  plan.after_bytes = static_cast<int64_t>(
      std::exp(std::uniform_real_distribution<double>(0, std::log(100'000))(random_)));
  plan.after_ms = between(0, 2'000);
  plan.pause_ms = between(10, 300);
  return plan;
}

void BadProxy::Accept() {
  while (!done_) {
    pollfd polled{listener_, POLLIN, 0};
    if (poll(&polled, 1, kTick) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    {
      MutexLock lock(mu_);
      ++carried_;
    }
    std::thread([this, client] { Carry(client); }).detach();
  }
}

void BadProxy::Carry(int client) {
  Address address = Parse(back_);
  const int server = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(server, address.get(), address.size) == 0) {
    const timeval patience{5, 0};
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(server, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const Fault fault = Forward(client, server);
    ++counts_[fault];
    if (fault == kReset || fault == kDrop) MakeAbrupt(client);
  }
  close(server);
  close(client);
  MutexLock lock(mu_);
  --carried_;
  idle_.NotifyAll();
}

BadProxy::Fault BadProxy::Forward(int client, int server) {
  Plan plan = Draw();
  auto begin = SteadyClock::now();
  int64_t bytes = 0;
  bool swallow = false;
  char chunk[kChunk];
  while (!done_) {
    pollfd polled[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    poll(polled, 2, kTick);
    const auto waited = SteadyClock::now() - begin;
    const bool due = bytes >= plan.after_bytes || waited > std::chrono::milliseconds(plan.after_ms);
    if (swallow && waited > std::chrono::milliseconds(plan.pause_ms)) return kDrop;
    if (due && !swallow) {
      if (plan.fault == kReset) return kReset;
      if (plan.fault == kDelay) {
        ++counts_[kDelay];
        std::this_thread::sleep_for(std::chrono::milliseconds(plan.pause_ms));
        plan = Draw();
        begin = SteadyClock::now();
        bytes = 0;
      } else if (plan.fault == kDrop) {
        swallow = true;
        begin = SteadyClock::now();
      }
    }
    for (int side = 0; side < 2; ++side) {
      if (polled[side].revents == 0) continue;
      const ssize_t got = recv(polled[side].fd, chunk, sizeof(chunk), 0);
      if (got <= 0) return swallow ? kDrop : kNone;
      if (swallow) continue;
      if (side == 1) bytes += got;
      const bool cut = side == 1 && plan.fault == kTruncate && bytes >= plan.after_bytes;
      if (!SendAll(polled[1 - side].fd, absl::string_view(chunk, cut ? got / 2 : got))) {
        return kNone;
      }
      if (cut) return kTruncate;
    }
  }
  return kNone;
}

}  // namespace skytrain
