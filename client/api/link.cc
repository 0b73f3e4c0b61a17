#include "client/api/link.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/api/hops.h"
#include "client/api/ssh_link.h"
#include "common/grpc/channel.h"
#include "common/mutex.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kHopTimeout = absl::Seconds(5);

// A Unix socket or TLS: gRPC itself connects again whenever the connection breaks.
class DirectLink : public Link {
 public:
  DirectLink(Target target, ConnectOptions options)
      : target_(std::move(target)), options_(std::move(options)) {}

  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel() override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (channel_ != nullptr) return channel_;
    grpc::ChannelArguments arguments = ClientChannelArguments();
    // Else all clients of one address in one process share a connection and its backoff.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    if (target_.kind == Target::Kind::kUnix) {
      channel_ = grpc::CreateCustomChannel(absl::StrCat("unix:", target_.path),
                                           grpc::InsecureChannelCredentials(), arguments);
      return channel_;
    }
    ASSIGN_OR_RETURN(files_, ReadTlsFiles(options_.tls));
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = files_.roots;
    ssl.pem_cert_chain = files_.certificate;
    ssl.pem_private_key = files_.key;
    std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::SslCredentials(ssl);
    if (!options_.token.empty()) {
      credentials = grpc::CompositeChannelCredentials(credentials,
                                                      grpc::AccessTokenCredentials(options_.token));
    }
    channel_ = grpc::CreateCustomChannel(absl::StrCat("dns:///", target_.Authority()), credentials,
                                         arguments);
    return channel_;
  }

  absl::Status Explain(const std::shared_ptr<grpc::Channel>& channel,
                       const std::string& said) override {
    const std::vector<Hop> hops = WalkToServer(target_, Files(), kHopTimeout);
    if (!hops.empty() && !hops.back().status.ok()) return hops.back().status;
    // All is well again, and gRPC would wait seconds before it looks.
    grpc::experimental::ChannelResetConnectionBackoff(channel.get());
    return absl::UnavailableError(
        absl::StrCat("the connection to ", target_.shown, " broke (", said, ")"));
  }

 private:
  TlsFiles Files() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return files_;
  }

  const Target target_;
  const ConnectOptions options_;
  Mutex mu_;
  TlsFiles files_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<Link> MakeLink(const Target& target, const ConnectOptions& options,
                               Interrupt& interrupt) {
  if (target.kind == Target::Kind::kSsh) {
    return std::make_unique<SshLink>(target, options.ssh, interrupt);
  }
  return std::make_unique<DirectLink>(target, options);
}

}  // namespace skytrain::client
