#include "tests/unit/client/tls_server.h"

#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "skytrain/v1/node_service.grpc.pb.h"

namespace skytrain::client {

struct TlsServer::Impl : public v1::NodeService::Service {
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest*,
                             v1::ServerInfo* info) override {
    const auto& sent = context->client_metadata();
    const auto found = sent.find("authorization");
    const std::string said =
        found == sent.end() ? "" : std::string(found->second.data(), found->second.size());
    if (!token.empty() && said != "Bearer " + token) {
      return ToGrpcStatus(ErrorWithReason(absl::StatusCode::kUnauthenticated,
                                          said.empty() ? "NO_CREDENTIALS" : "BAD_TOKEN",
                                          "who are you?"));
    }
    info->set_version("0.0.9");
    info->set_caller(said);
    return grpc::Status::OK;
  }

  std::string token;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

TlsServer::TlsServer(const Options& options) : impl_(std::make_unique<Impl>()) {
  impl_->token = options.token;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!options.own.certificate.empty()) {
    grpc::SslServerCredentialsOptions ssl(
        options.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                  : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    ssl.pem_key_cert_pairs.push_back({options.own.key, options.own.certificate});
    ssl.pem_root_certs = options.client_ca;
    credentials = grpc::SslServerCredentials(ssl);
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.address + ":0", credentials, &impl_->port);
  builder.RegisterService(impl_.get());
  impl_->server = builder.BuildAndStart();
}

TlsServer::~TlsServer() { impl_->server->Shutdown(); }
int TlsServer::port() const { return impl_->port; }

struct DumbListener::Impl {
  Impl() : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    socklen_t size = sizeof(address);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  }

  // Connections that nobody takes, until the queue holds no more.
  void Fill() {
    constexpr int kMoreThanFit = 4;
    for (int i = 0; i < kMoreThanFit; ++i) {
      held.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      connect(held.back(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    }
  }

  void Take(bool talk) {
    constexpr char kGreeting[] = "SSH-2.0-OpenSSH_9.2\r\n";
    while (!done) {
      pollfd polled{fd, POLLIN, 0};
      if (poll(&polled, 1, 20) <= 0) continue;
      const int taken = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (taken < 0) continue;
      if (talk) send(taken, kGreeting, sizeof(kGreeting) - 1, MSG_NOSIGNAL);
      held.push_back(taken);
    }
  }

  const int fd;
  sockaddr_in address{};
  std::atomic<bool> done = false;
  std::vector<int> held;
  std::thread taker;
};

DumbListener::DumbListener(Kind kind) : impl_(std::make_unique<Impl>()) {
  if (kind != Kind::kRefuses) listen(impl_->fd, kind == Kind::kFull ? 0 : 16);
  if (kind == Kind::kFull) impl_->Fill();
  if (kind == Kind::kSilent || kind == Kind::kTalks) {
    impl_->taker = std::thread([impl = impl_.get(), kind] { impl->Take(kind == Kind::kTalks); });
  }
}

DumbListener::~DumbListener() {
  impl_->done = true;
  if (impl_->taker.joinable()) impl_->taker.join();
  for (const int fd : impl_->held) close(fd);
  close(impl_->fd);
}

int DumbListener::port() const { return ntohs(impl_->address.sin_port); }

}  // namespace skytrain::client
