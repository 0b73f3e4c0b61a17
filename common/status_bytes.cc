#include "common/status_bytes.h"

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"

namespace skytrain {

std::string StatusToBytes(const absl::Status& status) {
  google::rpc::Status wire;
  wire.set_code(status.raw_code());
  wire.set_message(std::string(status.message()));
  status.ForEachPayload([&wire](absl::string_view type_url, const absl::Cord& payload) {
    auto* detail = wire.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  return wire.SerializeAsString();
}

absl::Status StatusFromBytes(const std::string& bytes) {
  google::rpc::Status wire;
  if (!wire.ParseFromString(bytes)) return absl::InternalError("its answer cannot be read");
  if (wire.code() == 0) return absl::InternalError("it gave no reason");
  absl::Status status(static_cast<absl::StatusCode>(wire.code()), wire.message());
  for (const auto& detail : wire.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

}  // namespace skytrain
