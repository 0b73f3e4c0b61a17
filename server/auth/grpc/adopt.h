#pragma once

#include <sys/types.h>

#include "grpcpp/server.h"
#include "server/auth/peers.h"

namespace skytrain {

// Gives the connected socket `fd` of user `uid` to `server`, which owns it from now on.
void AdoptConnection(grpc::Server& server, Peers& peers, int fd, uid_t uid);

}  // namespace skytrain
