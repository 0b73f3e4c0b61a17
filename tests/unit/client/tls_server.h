#pragma once

#include <memory>
#include <string>

#include "tests/support/certificates.h"

namespace skytrain::client {

// A real gRPC server with TLS on loopback that knows GetServerInfo and nothing else, as a server
// older than the client would.
class TlsServer {
 public:
  struct Options {
    KeyAndCertificate own;  // Empty: no TLS at all.
    std::string client_ca;  // Asks for a client certificate signed by it; empty: for none.
    std::string token;      // Lets in only who sends it; empty: everybody.
    std::string address = "127.0.0.1";
  };
  explicit TlsServer(const Options& options);
  ~TlsServer();

  int port() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// A socket on 127.0.0.1 that is no server.
class DumbListener {
 public:
  enum class Kind {
    kRefuses,  // Nobody listens.
    kSilent,   // Takes connections and says nothing.
    kFull,     // Its queue is full: packets are dropped.
    kTalks,    // Greets as an ssh server does.
  };
  explicit DumbListener(Kind kind);
  ~DumbListener();

  int port() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace skytrain::client
