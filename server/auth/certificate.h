#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain {

// Whom a client's certificate names, and how long.
struct CertificateHolder {
  std::string owner;
  absl::Time expiry;
};

// Reads a certificate whose chain the handshake has verified already. The owner is NAME of a
// subject alternative name "URI:skytrain://owner/NAME", else the subject's common name.
// UNAUTHENTICATED (BAD_CERTIFICATE: it names no owner, or more than one).
absl::StatusOr<CertificateHolder> HolderOf(absl::string_view pem);

// The files of tls.*: absolute paths.
struct TlsFiles {
  std::string certificate;  // PEM: the server's own first, then what links it to the CA.
  std::string key;          // PEM, not encrypted; nobody else may read it.
  std::string client_ca;    // PEM: who signs the certificates of clients. Empty: they have none.
};

// What would keep the files from being served: unreadable, not PEM, a key that others may read or
// that belongs to another certificate, expired, not valid yet. INVALID_ARGUMENT (BAD_TLS_FILES)
// naming the file and the remedy.
absl::Status CheckTlsFiles(const TlsFiles& files, absl::Time now);

// When the certificate in `path` stops being valid.
absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path);

}  // namespace skytrain
