#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/channel.h"

namespace skytrain {

// Calls `method` ("/package.Service/Method") with serialized bytes, as a client without our stubs
// does; for a stream: sends one request and answers with the first response. Gives up after 10 s.
absl::StatusOr<std::string> RawUnaryCall(const std::shared_ptr<grpc::Channel>& channel,
                                         const std::string& method, absl::string_view request);
absl::StatusOr<std::string> RawStreamCall(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::string& method, absl::string_view request);

// grpc.health.v1: "SERVING", "NOT_SERVING", or the error, NOT_FOUND for a service that is not
// there.
absl::StatusOr<std::string> HealthOf(const std::shared_ptr<grpc::Channel>& channel,
                                     absl::string_view service);

}  // namespace skytrain
