#include "server/auth/grpc/credentials.h"

#include <grpc/grpc_security_constants.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace skytrain {
namespace {

constexpr unsigned kRefreshSeconds = 5;
constexpr absl::string_view kScheme = "Bearer ";

}  // namespace

Credentials CredentialsOf(const grpc::ServerContextBase& context) {
  Credentials credentials;
  credentials.peer = context.peer();
  const auto& metadata = context.client_metadata();
  if (const auto found = metadata.find("authorization"); found != metadata.end()) {
    const absl::string_view value(found->second.data(), found->second.size());
    // What is no bearer token at all is told so rather than taken for nothing.
    credentials.bearer = std::string(
        absl::StartsWithIgnoreCase(value, kScheme) ? value.substr(kScheme.size()) : value);
  }
  for (const grpc::string_ref& pem :
       context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME)) {
    credentials.certificate.assign(pem.data(), pem.size());
  }
  return credentials;
}

std::shared_ptr<grpc::ServerCredentials> TlsServerCredentials(const TlsFiles& files) {
  using grpc::experimental::FileWatcherCertificateProvider;
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(files.key, files.certificate,
                                                       files.client_ca, kRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace skytrain
