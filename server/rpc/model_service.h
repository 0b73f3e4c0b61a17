#pragma once

#include "server/models/model_store.h"
#include "server/rpc/calls.h"
#include "skytrain/v1/model_service.grpc.pb.h"

namespace skytrain {

class ModelServiceImpl final : public v1::ModelService::CallbackService {
 public:
  ModelServiceImpl(Calls& calls, ModelStore& models) : calls_(calls), models_(models) {}

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::Model* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;

 private:
  Calls& calls_;
  ModelStore& models_;
};

}  // namespace skytrain
