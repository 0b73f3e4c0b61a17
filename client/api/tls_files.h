#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace skytrain::client {

// Paths, as the command line and the environment name them; empty: none.
struct TlsPaths {
  std::string ca;           // Whom to trust; empty: whom the system trusts.
  std::string certificate;  // The client's own, with its chain.
  std::string key;
};

// What is in them, PEM.
struct TlsFiles {
  std::string roots;
  std::string roots_path;  // Where `roots` come from.
  std::string certificate;
  std::string key;
};

// Reads the files. The system's roots are looked for where the distributions keep them, since
// neither gRPC nor OpenSSL of a static build knows the machine that it runs on; SSL_CERT_FILE comes
// first. INVALID_ARGUMENT (BAD_TLS_FILE) names the file.
absl::StatusOr<TlsFiles> ReadTlsFiles(const TlsPaths& paths);

}  // namespace skytrain::client
