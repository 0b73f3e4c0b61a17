#include "client/api/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace skytrain::client {
namespace {

struct Answer {
  bool done = false;
  int status = ARES_ECANCELLED;
  std::vector<SocketAddress> addresses;
};

void OnAnswer(void* argument, int status, int, ares_addrinfo* result) {
  Answer& answer = *static_cast<Answer*>(argument);
  answer.done = true;
  answer.status = status;
  if (result == nullptr) return;
  for (const ares_addrinfo_node* node = result->nodes; node != nullptr; node = node->ai_next) {
    SocketAddress& address = answer.addresses.emplace_back();
    address.size = std::min<socklen_t>(node->ai_addrlen, sizeof(address.storage));
    std::memcpy(&address.storage, node->ai_addr, address.size);
  }
  ares_freeaddrinfo(result);
}

// Lets c-ares work until the answer is there or `deadline` has passed.
void Run(ares_channel channel, const Answer& answer, absl::Time deadline) {
  while (!answer.done && absl::Now() < deadline) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int bits = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
    std::vector<pollfd> polled;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      short events = 0;
      if (ARES_GETSOCK_READABLE(bits, i)) events |= POLLIN;
      if (ARES_GETSOCK_WRITABLE(bits, i)) events |= POLLOUT;
      if (events != 0) polled.push_back({sockets[i], events, 0});
    }
    // c-ares repeats its questions by its own clock: look often enough.
    poll(polled.data(), polled.size(), 50);
    for (const pollfd& entry : polled) {
      ares_process_fd(channel, (entry.revents & ~POLLOUT) != 0 ? entry.fd : ARES_SOCKET_BAD,
                      (entry.revents & POLLOUT) != 0 ? entry.fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
}

}  // namespace

std::string SocketAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text,
              sizeof(text));
  } else if (storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text,
              sizeof(text));
  }
  return text;
}

absl::StatusOr<std::vector<SocketAddress>> Resolve(const std::string& host, int port,
                                                   absl::Duration timeout) {
  ares_channel channel;
  if (const int error = ares_init(&channel); error != ARES_SUCCESS) {
    return absl::InternalError(absl::StrCat("c-ares: ", ares_strerror(error)));
  }
  Answer answer;
  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NUMERICSERV;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(channel, host.c_str(), absl::StrCat(port).c_str(), &hints, OnAnswer, &answer);
  Run(channel, answer, absl::Now() + timeout);
  ares_destroy(channel);  // Cancels what is under way: OnAnswer has been called after this.
  if (!answer.addresses.empty()) return answer.addresses;
  if (answer.status == ARES_ENOTFOUND || answer.status == ARES_ENODATA ||
      answer.status == ARES_EBADNAME) {
    return absl::NotFoundError(absl::StrCat("there is no host ", host));
  }
  const absl::string_view why =
      answer.status == ARES_ECANCELLED || answer.status == ARES_EDESTRUCTION
          ? "no name server answered in time"
          : ares_strerror(answer.status);
  return absl::UnavailableError(absl::StrCat("cannot look up the name ", host, ": ", why));
}

}  // namespace skytrain::client
