#include "common/grpc/channel.h"

#include <grpc/grpc.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace skytrain {
namespace {

// Not here: GetServerInfo (who asks wants to know how it is now), WaitJob and the streams.
// CreateJob may be repeated because of its request_id; asking twice to cancel, suspend or resume
// is asking once.
std::string ServiceConfig() {
  std::string names;
  const auto add = [&names](absl::string_view service,
                            std::initializer_list<absl::string_view> methods) {
    for (const absl::string_view method : methods) {
      absl::StrAppend(&names, names.empty() ? "" : ",", "{\"service\":\"skytrain.v1.", service,
                      "\",\"method\":\"", method, "\"}");
    }
  };
  add("JobService",
      {"CreateJob", "GetJob", "ListJobs", "CancelJob", "SuspendJob", "ResumeJob", "QueryMetrics"});
  add("ModelService", {"GetModel", "ListModels"});
  add("BlobService", {"StatBlob"});
  add("DatasetService", {"InspectDataset"});
  add("NodeService", {"ListDevices", "GetQueue"});
  return absl::StrCat("{\"methodConfig\":[{\"name\":[", names,
                      "],\"retryPolicy\":{\"maxAttempts\":4,\"initialBackoff\":\"0.2s\","
                      "\"maxBackoff\":\"2s\",\"backoffMultiplier\":2,"
                      "\"retryableStatusCodes\":[\"UNAVAILABLE\"]}}]}");
}

}  // namespace

grpc::ChannelArguments ClientChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);  // How long one connect may take.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetServiceConfigJSON(ServiceConfig());
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  return arguments;
}

}  // namespace skytrain
