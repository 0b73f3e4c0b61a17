#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "grpcpp/support/server_interceptor.h"
#include "server/rpc/calls.h"

namespace skytrain {

// The gRPC server. Unix connections are handed to it, TLS ports are its own. With the standard
// health and reflection services; health is answered for the server as a whole ("") and for each
// service: NOT_SERVING before SetServing and from Drain on. Thread-safe.
class RpcServer {
 public:
  struct Service {
    std::string name;  // "skytrain.v1.JobService".
    grpc::Service* implementation;
  };
  // The TCP ports to listen on.
  struct TlsPorts {
    std::vector<std::string> addresses;  // "HOST:PORT"; port 0: any free one.
    std::shared_ptr<grpc::ServerCredentials> credentials;
  };
  // Each looks at every call.
  using Interceptors =
      std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>;
  // Answers calls from now on; what `calls` does not run in its phase kStarting is refused. The
  // services and `calls` must outlive it. UNAVAILABLE (PORT_IN_USE) naming an address that cannot
  // be had.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(Calls& calls,
                                                          const std::vector<Service>& services,
                                                          const TlsPorts& ports,
                                                          Interceptors interceptors);
  ~RpcServer();  // As Drain and Stop.

  grpc::Server& server() { return *server_; }
  // What it listens on, "HOST:PORT" with the ports that it got.
  const std::vector<std::string>& tls_addresses() const { return tls_addresses_; }

  // Recovery is done: health says SERVING, `calls` runs everything.
  void SetServing();

  // Begins to stop. In this order: health says NOT_SERVING, new work is refused (UNAVAILABLE,
  // DRAINING), streams end with UNAVAILABLE. Short calls are still answered. Returns at once; wait
  // for !Busy() as long as calls under way shall have.
  void Drain();
  // False once every call that was accepted has got its answer. A client that does not read its
  // stream keeps it true.
  bool Busy() { return calls_.Busy(); }
  // Cuts off what is still under way, whatever clients do. Returns when no handler runs any more.
  // After Drain.
  void Stop();

 private:
  RpcServer(Calls& calls, std::vector<std::string> names, std::unique_ptr<grpc::Server> server)
      : calls_(calls), names_(std::move(names)), server_(std::move(server)) {}
  void SetHealth(bool serving);

  Calls& calls_;
  const std::vector<std::string> names_;  // Of the services.
  std::vector<std::string> tls_addresses_;
  std::unique_ptr<grpc::Server> server_;
  bool stopped_ = false;
};

}  // namespace skytrain
