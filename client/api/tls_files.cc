#include "client/api/tls_files.h"

#include <stdlib.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr uint64_t kLargest = 8 << 20;

// Debian and its kin, Red Hat and its kin, SUSE, OpenSSL's own, Alpine.
constexpr const char* kSystemRoots[] = {
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem"};

absl::Status BadFile(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_TLS_FILE", message);
}

absl::StatusOr<std::string> ReadPem(const std::string& path, absl::string_view what,
                                    absl::string_view label) {
  absl::StatusOr<std::string> text = FileSystem::Posix().ReadFile(path, kLargest);
  if (!text.ok()) {
    return BadFile(absl::StrCat("cannot read ", what, " ", path, ": ", text.status().message()));
  }
  if (!absl::StrContains(*text, label)) {
    return BadFile(absl::StrCat(path, " holds no ", what, ": there is no '", label, "' in it"));
  }
  return text;
}

absl::Status ReadRoots(const std::string& path, TlsFiles& files) {
  ASSIGN_OR_RETURN(files.roots, ReadPem(path, "CA certificate", "BEGIN CERTIFICATE"));
  files.roots_path = path;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsFiles> ReadTlsFiles(const TlsPaths& paths) {
  if (paths.certificate.empty() != paths.key.empty()) {
    return BadFile(
        "a client certificate needs its key and the other way round: give both --cert "
        "and --key (SKYTRAIN_CERT and SKYTRAIN_KEY)");
  }
  TlsFiles files;
  if (!paths.certificate.empty()) {
    ASSIGN_OR_RETURN(files.certificate,
                     ReadPem(paths.certificate, "client certificate", "BEGIN CERTIFICATE"));
    ASSIGN_OR_RETURN(files.key, ReadPem(paths.key, "private key", "PRIVATE KEY"));
  }
  const char* from_environment = getenv("SSL_CERT_FILE");
  if (!paths.ca.empty()) {
    RETURN_IF_ERROR(ReadRoots(paths.ca, files));
  } else if (from_environment != nullptr && *from_environment != '\0') {
    RETURN_IF_ERROR(ReadRoots(from_environment, files));
  } else {
    for (const char* path : kSystemRoots) {
      if (FileSystem::Posix().Exists(path)) {
        RETURN_IF_ERROR(ReadRoots(path, files));
        break;
      }
    }
  }
  if (files.roots.empty()) {
    return BadFile(
        "this machine has no list of certificate authorities where it is usually kept; "
        "name the server's CA with --ca FILE or SKYTRAIN_CA");
  }
  return files;
}

}  // namespace skytrain::client
