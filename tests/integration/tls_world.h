#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/channel.h"
#include "skytrain/v1/node_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace skytrain {

// How a test's client presents itself to a TLS port.
struct TlsClient {
  std::string ca;           // PEM.
  KeyAndCertificate own;    // Empty: no certificate.
  std::string token;        // Empty: none.
  std::string server_name;  // Empty: the name in the address.
};

// A CA, the files of a server that it signed (for localhost and 127.0.0.1), and clients.
class TlsWorld {
 public:
  TlsWorld();

  // The flags that make a daemon listen on 127.0.0.1 in shared mode with these files.
  std::vector<std::string> Flags() const;
  // Replaces the server's certificate.
  void Serve(const CertificateRequest& request) const;
  // A token made by the daemon's command; `more` flags: "--expires", "1h".
  static std::string Token(const Daemon& daemon, const std::string& owner,
                           const std::vector<std::string>& more = {});
  static void Revoke(const Daemon& daemon, const std::string& token);

  // Of a client that trusts the CA; `address`: HOST:PORT.
  TlsClient Client(const std::string& token = "") const {
    return {ca.certificate(), {}, token, ""};
  }
  static std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                                const TlsClient& client);
  // Who the server takes the client for, or why it does not.
  static absl::StatusOr<v1::ServerInfo> Ask(const std::string& address, const TlsClient& client);

  const TestAuthority ca{"skytrain test CA"};
  TempDir dir;
};

}  // namespace skytrain
