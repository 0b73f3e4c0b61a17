#pragma once

#include <memory>

#include "grpcpp/support/server_interceptor.h"
#include "server/metrics/call_metrics.h"

namespace skytrain {

// Counts every call of our services. A call that ends without a status, since its client went away,
// counts as CANCELLED. `metrics` must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MeterCalls(
    CallMetrics& metrics);

}  // namespace skytrain
