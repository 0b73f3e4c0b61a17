#pragma once

#include <memory>

#include "absl/status/status.h"
#include "common/grpc/status.h"
#include "grpcpp/support/server_callback.h"

namespace skytrain {

// A server stream that ends at once with an error.
template <typename Message>
class FinishedStream final : public grpc::ServerWriteReactor<Message> {
 public:
  // The reactor for gRPC; it owns itself.
  static FinishedStream* Make(const absl::Status& status) {
    auto stream = std::unique_ptr<FinishedStream>(new FinishedStream);
    stream->Finish(ToGrpcStatus(status));
    return stream.release();
  }
  void OnDone() override { std::unique_ptr<FinishedStream>{this}; }

 private:
  FinishedStream() = default;
};

}  // namespace skytrain
