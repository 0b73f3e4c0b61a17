#pragma once

#include "server/datasets/dataset_registry.h"
#include "server/rpc/calls.h"
#include "skytrain/v1/dataset_service.grpc.pb.h"

namespace skytrain {

class DatasetServiceImpl final : public v1::DatasetService::CallbackService {
 public:
  DatasetServiceImpl(Calls& calls, DatasetRegistry& datasets)
      : calls_(calls), datasets_(datasets) {}

  grpc::ServerUnaryReactor* InspectDataset(grpc::CallbackServerContext* context,
                                           const v1::InspectDatasetRequest* request,
                                           v1::DatasetManifest* response) override;
  grpc::ServerUnaryReactor* PreviewDataset(grpc::CallbackServerContext* context,
                                           const v1::PreviewDatasetRequest* request,
                                           v1::PreviewDatasetResponse* response) override;
  grpc::ServerUnaryReactor* RegisterDataset(grpc::CallbackServerContext* context,
                                            const v1::RegisterDatasetRequest* request,
                                            v1::Dataset* response) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext* context,
                                       const v1::GetDatasetRequest* request,
                                       v1::Dataset* response) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context,
                                         const v1::ListDatasetsRequest* request,
                                         v1::ListDatasetsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteDataset(grpc::CallbackServerContext* context,
                                          const v1::DeleteDatasetRequest* request,
                                          google::protobuf::Empty* response) override;

 private:
  Calls& calls_;
  DatasetRegistry& datasets_;
};

}  // namespace skytrain
