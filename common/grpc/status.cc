#include "common/grpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "google/rpc/error_details.pb.h"

namespace skytrain {
namespace {

// Trailers share gRPC's limit of 8 KiB for all metadata; a longer message would lose the whole
// status.
constexpr size_t kMaxMessage = 2048;
constexpr size_t kMaxDetails = 4096;

std::string Shortened(absl::string_view message) {
  if (message.size() <= kMaxMessage) return std::string(message);
  size_t end = kMaxMessage;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0) == 0x80)
    --end;  // Whole UTF-8.
  return std::string(message.substr(0, end)) + " …";
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  // The message travels in its own trailer; a copy here would halve the room for the details.
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (details.ByteSizeLong() + url.size() + payload.size() > kMaxDetails) return;
    auto* added = details.add_details();
    added->set_type_url(std::string(url));
    added->set_value(std::string(payload));
  });
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), Shortened(status.message()),
                      details.details().empty() ? "" : details.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const auto& detail : details.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

}  // namespace skytrain
