#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace skytrain {

// X.509 certificates for tests, made in milliseconds (P-256). Everything is PEM.
struct KeyAndCertificate {
  std::string key;
  std::string certificate;
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> alternative_names;  // As OpenSSL writes them: "DNS:localhost", "URI:…".
  absl::Time begin = absl::UnixEpoch();
  absl::Time end = absl::FromUnixSeconds(4'000'000'000);
};

// A certificate authority of the test's own.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);

  const std::string& certificate() const { return self_.certificate; }
  KeyAndCertificate Sign(const CertificateRequest& request) const;

 private:
  KeyAndCertificate self_;
};

// Writes `text` to `path` with mode 0600.
void WritePrivateFile(const std::string& path, const std::string& text);

}  // namespace skytrain
