#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/api/interrupt.h"
#include "client/api/retry.h"
#include "client/api/ssh.h"
#include "client/api/target.h"
#include "client/api/tls_files.h"

namespace skytrain::client {

// How a client gets to its server, beyond where that is.
struct ConnectOptions {
  TlsPaths tls;
  std::string token;  // Sent over TLS only; empty: none.
  SshOptions ssh;
  Patience patience;                           // Of a unary call, and of a stream's first answer.
  absl::Duration give_up = absl::Minutes(10);  // Of who follows a job and had an answer before.
};

// The connection below a client. Thread-safe.
class Link {
 public:
  virtual ~Link() = default;

  // What the next call goes over. Connects at the latest when that is made.
  virtual absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel() = 0;
  // A call over `channel` was answered by the server itself.
  virtual void OnAnswer() {}
  // `channel` broke: the next one may have to be another.
  virtual void Drop(const std::shared_ptr<grpc::Channel>& channel) {}
  // What the connection goes through, as far as the target does not say; empty: nothing.
  virtual std::string Way() { return ""; }
  // Which hop is broken, after a call over `channel` ended with no answer of the server's; `said`
  // is gRPC's own text. Takes a while. Never OK.
  virtual absl::Status Explain(const std::shared_ptr<grpc::Channel>& channel,
                               const std::string& said) = 0;
};

std::unique_ptr<Link> MakeLink(const Target& target, const ConnectOptions& options,
                               Interrupt& interrupt);

}  // namespace skytrain::client
