#pragma once

#include <memory>

#include "grpcpp/support/server_interceptor.h"
#include "server/auth/audit_log.h"
#include "server/auth/authenticator.h"

namespace skytrain {

// Writes an entry for every call of our services that changes something, whatever came of it, and
// for every call that was refused for who called; before the answer is sent. Handlers need not know
// of it: a new method is audited unless its name begins like one that only reads. Both arguments
// must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> AuditCalls(
    const Authenticator& authenticator, AuditLog& log);

}  // namespace skytrain
