#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/api/target.h"
#include "client/api/tls_files.h"

namespace skytrain::client {

// One step of the way to the server.
struct Hop {
  std::string name;    // "name", "port", "tls", "socket".
  std::string detail;  // What is there: "10.0.0.7", "TLSv1.3, certificate of gpu07".
  absl::Status status;
  absl::Time expiry = absl::InfiniteFuture();  // Of the server's certificate.
};

// Goes to the server by hand, hop by hop, and stops at the first that is broken: gRPC tells all of
// these apart only in texts for its authors. Takes at most about `timeout` for each hop. Not for
// ssh targets, whose hops are ssh's. The last hop's status says what is wrong and what to do; OK:
// all is well up to an HTTP/2 server. Reasons, with exit code 7 (UNAVAILABLE):
//   NAME_NOT_FOUND, NO_NAME_SERVER, CONNECTION_REFUSED, CONNECTION_TIMED_OUT, NETWORK_ERROR,
//   NOT_TLS, TLS_TIMED_OUT, TLS_FAILED, NO_ANSWER, NOT_A_SERVER, NO_SOCKET, NOT_A_SOCKET,
//   CLOSED_AT_ONCE, and, where the server hung up instead of saying so, NO_CLIENT_CERTIFICATE and
//   CLIENT_CERTIFICATE_REFUSED
// and with exit code 4 (UNAUTHENTICATED, PERMISSION_DENIED):
//   UNKNOWN_CA, SERVER_CERTIFICATE_EXPIRED, SERVER_CERTIFICATE_NOT_YET_VALID,
//   WRONG_SERVER_NAME, BAD_SERVER_CERTIFICATE, NO_CLIENT_CERTIFICATE, CLIENT_CERTIFICATE_REFUSED,
//   SOCKET_NOT_ALLOWED
std::vector<Hop> WalkToServer(const Target& target, const TlsFiles& tls, absl::Duration timeout);

// That of the certificate in `pem`; InfiniteFuture when there is none.
absl::Time CertificateExpiry(const std::string& pem);

}  // namespace skytrain::client
