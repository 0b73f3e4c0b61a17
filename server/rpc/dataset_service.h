#pragma once

#include "server/datasets/inspector.h"
#include "server/rpc/calls.h"
#include "skytrain/v1/dataset_service.grpc.pb.h"

namespace skytrain {

class DatasetServiceImpl final : public v1::DatasetService::CallbackService {
 public:
  DatasetServiceImpl(Calls& calls, Inspector& inspector) : calls_(calls), inspector_(inspector) {}

  grpc::ServerUnaryReactor* InspectDataset(grpc::CallbackServerContext* context,
                                           const v1::InspectDatasetRequest* request,
                                           v1::DatasetManifest* response) override;

 private:
  Calls& calls_;
  Inspector& inspector_;
};

}  // namespace skytrain
