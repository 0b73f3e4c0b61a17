#include "server/auth/grpc/adopt.h"

#include "grpcpp/server_posix.h"

namespace skytrain {

void AdoptConnection(grpc::Server& server, Peers& peers, int fd, uid_t uid) {
  peers.Add(fd, uid);  // First: the first call may come before the next line returns.
  grpc::AddInsecureChannelFromFd(&server, fd);
}

}  // namespace skytrain
