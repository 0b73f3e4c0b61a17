#include "tests/integration/tls_world.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/grpc/channel.h"
#include "common/grpc/status.h"
#include "common/process/process.h"
#include "common/status_macros.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace skytrain {
namespace {

// What `skytraind token ARGUMENTS` prints.
std::string TokenCommand(const Daemon& daemon, std::vector<std::string> arguments) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return "";
  SpawnOptions spawn;
  spawn.argv = {SKYTRAIN_BIN_DIR "/skytraind", "token", "--state-dir", daemon.root() + "/state"};
  spawn.argv.insert(spawn.argv.end(), arguments.begin(), arguments.end());
  spawn.environment = {"HOME=" + daemon.root()};
  spawn.stdout_fd = out[1];
  spawn.stderr_fd = STDERR_FILENO;
  const auto pid = Spawn(spawn);
  close(out[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(out[0], buffer, sizeof(buffer))) > 0;) text.append(buffer, got);
  close(out[0]);
  int status = -1;
  if (pid.ok()) waitpid(*pid, &status, 0);
  EXPECT_EQ(status, 0) << text;
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace

TlsWorld::TlsWorld() {
  Serve({"node", {"DNS:localhost", "IP:127.0.0.1", "IP:::1"}});
  WritePrivateFile(dir.File("ca.pem"), ca.certificate());
}

void TlsWorld::Serve(const CertificateRequest& request) const {
  const KeyAndCertificate pair = ca.Sign(request);
  WritePrivateFile(dir.File("server.key"), pair.key);
  WritePrivateFile(dir.File("server.pem"), pair.certificate);
}

std::vector<std::string> TlsWorld::Flags() const {
  return {"--listen",          "tls:127.0.0.1:0",      "--mode",    "shared",
          "--tls-certificate", dir.File("server.pem"), "--tls-key", dir.File("server.key"),
          "--tls-client-ca",   dir.File("ca.pem")};
}

std::string TlsWorld::Token(const Daemon& daemon, const std::string& owner,
                            const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"create", "--owner", owner};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return TokenCommand(daemon, arguments);
}

void TlsWorld::Revoke(const Daemon& daemon, const std::string& token) {
  TokenCommand(daemon, {"revoke", token.substr(4, 8)});
}

std::shared_ptr<grpc::Channel> TlsWorld::Connect(const std::string& address,
                                                 const TlsClient& client) {
  grpc::ChannelArguments arguments = ClientChannelArguments();
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!client.server_name.empty()) arguments.SetSslTargetNameOverride(client.server_name);
  auto credentials = grpc::SslCredentials({client.ca, client.own.key, client.own.certificate});
  if (!client.token.empty()) {
    credentials =
        grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(client.token));
  }
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

absl::StatusOr<v1::ServerInfo> TlsWorld::Ask(const std::string& address, const TlsClient& client) {
  const auto stub = v1::NodeService::NewStub(Connect(address, client));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::ServerInfo info;
  RETURN_IF_ERROR(FromGrpcStatus(stub->GetServerInfo(&context, {}, &info)));
  return info;
}

}  // namespace skytrain
