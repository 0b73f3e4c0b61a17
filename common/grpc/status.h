#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace skytrain {

// absl::Status <-> grpc::Status. Code, message and every payload (ErrorInfo, BadRequest) survive
// the trip: on the wire they are a google.rpc.Status in the `grpc-status-details-bin` trailer, as
// any gRPC client expects (https://google.aip.dev/193). A status from elsewhere, without details or
// with details that do not parse, keeps its code and message.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace skytrain
