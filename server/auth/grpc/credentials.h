#pragma once

#include <memory>

#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_context.h"
#include "server/auth/certificate.h"
#include "server/auth/identity.h"

namespace skytrain {

// What the call of `context` brings along to prove who sends it.
Credentials CredentialsOf(const grpc::ServerContextBase& context);

// TLS 1.2 or newer with the certificate in `files`. The files are looked at again every few
// seconds: a replaced certificate serves new connections without a restart, those under way go on.
// With `client_ca` clients are asked for a certificate; one that does not verify ends the
// handshake, none at all is left to the Authenticator. Call CheckTlsFiles first.
std::shared_ptr<grpc::ServerCredentials> TlsServerCredentials(const TlsFiles& files);

}  // namespace skytrain
