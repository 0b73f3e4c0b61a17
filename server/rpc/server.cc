#include "server/rpc/server.h"

#include <grpc/grpc.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc/channel.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server_builder.h"

namespace skytrain {
namespace {

absl::Status CannotListen(const std::string& address) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "PORT_IN_USE",
                         absl::StrCat("cannot listen on tls:", address,
                                      ": another program has the port, or the address is not one "
                                      "of this machine. Choose another one with --listen"));
}

// For answers that are given but not yet on the wire, and for connections to say goodbye.
constexpr std::chrono::milliseconds kLastBytes(500);
// Far above what a client or a dashboard opens at once on one connection.
constexpr int kMaxStreams = 1024;
// Of a call's headers; a token has less than 100 bytes.
constexpr int kMaxMetadataBytes = 16 << 10;

// Our clients ping every 30 s, also without a call; a server with the default settings answers
// pings closer than 5 minutes apart with GOAWAY. The other way round an idle client is pinged
// every minute, so that a peer that vanished behind a NAT costs no memory for ever. Connections
// may be as old as they like.
void SetChannelArguments(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(Calls& calls,
                                                            const std::vector<Service>& services,
                                                            const TlsPorts& ports,
                                                            Interceptors interceptors) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetChannelArguments(builder);
  std::vector<std::string> names;
  for (const Service& service : services) {
    builder.RegisterService(service.implementation);
    names.push_back(service.name);
  }
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  // A port shared with another process would give it half of our clients.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::vector<int> bound(ports.addresses.size(), 0);
  for (size_t i = 0; i < bound.size(); ++i) {
    builder.AddListeningPort(ports.addresses[i], ports.credentials, &bound[i]);
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  for (size_t i = 0; i < bound.size(); ++i) {
    if (bound[i] <= 0) return CannotListen(ports.addresses[i]);
  }
  if (server == nullptr) return absl::InternalError("the gRPC server does not start");
  std::unique_ptr<RpcServer> started(new RpcServer(calls, std::move(names), std::move(server)));
  for (size_t i = 0; i < bound.size(); ++i) {
    const std::string& address = ports.addresses[i];
    started->tls_addresses_.push_back(
        absl::StrCat(address.substr(0, address.rfind(':') + 1), bound[i]));
  }
  started->SetHealth(false);
  return started;
}

RpcServer::~RpcServer() {
  Drain();
  Stop();
}

void RpcServer::SetHealth(bool serving) {
  grpc::HealthCheckServiceInterface& health = *server_->GetHealthCheckService();
  for (const std::string& name : names_) health.SetServingStatus(name, serving);
  health.SetServingStatus("", serving);
}

void RpcServer::SetServing() {
  calls_.Serve();
  SetHealth(true);
}

void RpcServer::Drain() {
  SetHealth(false);
  // Shutdown never returns while a reactor is unfinished, so the long ones are ended first.
  calls_.Drain();
}

void RpcServer::Stop() {
  if (std::exchange(stopped_, true)) return;
  server_->Shutdown(std::chrono::system_clock::now() + kLastBytes);
  server_->Wait();
}

}  // namespace skytrain
