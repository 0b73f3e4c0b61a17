#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace skytrain::client {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  std::string ToString() const;  // "10.0.0.7", "::1": without the port.
};

// The addresses of `host`, a name or an address, at `port`; at least one. By c-ares, as gRPC does
// it: a static program cannot use glibc's resolver, which loads libraries of the machine it runs
// on. NOT_FOUND when there is no such name, UNAVAILABLE when no name server answered in time.
absl::StatusOr<std::vector<SocketAddress>> Resolve(const std::string& host, int port,
                                                   absl::Duration timeout);

}  // namespace skytrain::client
