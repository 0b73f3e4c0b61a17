#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/jobs/job_manager.h"
#include "server/retention/collector.h"
#include "server/rpc/calls.h"
#include "skytrain/v1/node_service.grpc.pb.h"

namespace skytrain {

class NodeServiceImpl final : public v1::NodeService::CallbackService {
 public:
  // What does not change while the daemon runs.
  struct Node {
    v1::ServerInfo info;  // What is the same for all calls.
    std::function<v1::ServerInfo::StateDisk()> disk;
    std::vector<v1::Device> devices;  // Without `job`.
    // When the TLS certificate in use expires. Null: there is none.
    std::function<absl::StatusOr<absl::Time>()> certificate_expiry;
  };
  NodeServiceImpl(Calls& calls, JobManager& jobs, Collector& collector, Node node)
      : calls_(calls), jobs_(jobs), collector_(collector), node_(std::move(node)) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;
  grpc::ServerUnaryReactor* ListDevices(grpc::CallbackServerContext* context,
                                        const v1::ListDevicesRequest* request,
                                        v1::ListDevicesResponse* response) override;
  grpc::ServerUnaryReactor* GetQueue(grpc::CallbackServerContext* context,
                                     const v1::GetQueueRequest* request,
                                     v1::GetQueueResponse* response) override;
  grpc::ServerUnaryReactor* CollectGarbage(grpc::CallbackServerContext* context,
                                           const v1::CollectGarbageRequest* request,
                                           v1::CollectGarbageResponse* response) override;

 private:
  Calls& calls_;
  JobManager& jobs_;
  Collector& collector_;
  const Node node_;
};

}  // namespace skytrain
