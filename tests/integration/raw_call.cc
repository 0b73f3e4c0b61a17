#include "tests/integration/raw_call.h"

#include <chrono>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/grpc/status.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"

namespace skytrain {
namespace {

grpc::ByteBuffer ToBuffer(absl::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

// The next operation that has ended; false when it failed.
bool Next(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

}  // namespace

absl::StatusOr<std::string> RawUnaryCall(const std::shared_ptr<grpc::Channel>& channel,
                                         const std::string& method, absl::string_view request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  SetDeadline(context);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, method, ToBuffer(request), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  Next(queue);
  if (!status.ok()) return FromGrpcStatus(status);
  return ToString(response);
}

absl::StatusOr<std::string> RawStreamCall(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::string& method, absl::string_view request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  SetDeadline(context);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  bool alive = Next(queue);
  if (alive) {
    call->Write(ToBuffer(request), nullptr);
    alive = Next(queue);
  }
  grpc::ByteBuffer response;
  if (alive) {
    call->Read(&response, nullptr);
    alive = Next(queue);
  }
  if (alive) context.TryCancel();  // One response is enough.
  grpc::Status status;
  call->Finish(&status, nullptr);
  Next(queue);
  if (!alive) return FromGrpcStatus(status);
  return ToString(response);
}

absl::StatusOr<std::string> HealthOf(const std::shared_ptr<grpc::Channel>& channel,
                                     absl::string_view service) {
  // HealthCheckRequest{service = 1}; HealthCheckResponse{status = 1}.
  std::string request;
  if (!service.empty()) {
    request = absl::StrCat("\x0a", std::string(1, static_cast<char>(service.size())), service);
  }
  const auto response = RawUnaryCall(channel, "/grpc.health.v1.Health/Check", request);
  if (!response.ok()) return response.status();
  if (*response == "\x08\x01") return "SERVING";
  if (*response == "\x08\x02") return "NOT_SERVING";
  return absl::InternalError(absl::StrCat("unexpected health of ", response->size(), " bytes"));
}

}  // namespace skytrain
