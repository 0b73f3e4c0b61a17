#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "server/rpc/calls.h"

namespace skytrain {

// The gRPC server without listeners of its own: connections are handed to it. With the standard
// health and reflection services. Thread-safe.
class RpcServer {
 public:
  // Serves `services`; they and `calls` must outlive it.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      Calls& calls, const std::vector<grpc::Service*>& services);
  ~RpcServer();  // As Stop with no grace.

  grpc::Server& server() { return *server_; }

  // In this order: health says NOT_SERVING, new work is refused, streams end with UNAVAILABLE,
  // calls under way get `grace`, then are cut off. Returns when no handler runs any more.
  void Stop(absl::Duration grace);

 private:
  RpcServer(Calls& calls, std::unique_ptr<grpc::Server> server)
      : calls_(calls), server_(std::move(server)) {}

  Calls& calls_;
  std::unique_ptr<grpc::Server> server_;
  bool stopped_ = false;
};

}  // namespace skytrain
