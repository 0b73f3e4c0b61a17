#include "server/rpc/server.h"

#include <grpc/grpc.h>

#include <chrono>
#include <utility>

#include "common/grpc/channel.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server_builder.h"

namespace skytrain {

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    Calls& calls, const std::vector<grpc::Service*>& services) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Our clients ping every 30 s, also without a call; a server with the default settings answers
  // pings closer than 5 minutes apart with GOAWAY.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("the gRPC server does not start");
  server->GetHealthCheckService()->SetServingStatus(true);
  return std::unique_ptr<RpcServer>(new RpcServer(calls, std::move(server)));
}

RpcServer::~RpcServer() { Stop(absl::ZeroDuration()); }

void RpcServer::Stop(absl::Duration grace) {
  if (std::exchange(stopped_, true)) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  // Shutdown never returns while a reactor is unfinished, so the long ones are ended first.
  calls_.Drain();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
  server_->Wait();
}

}  // namespace skytrain
