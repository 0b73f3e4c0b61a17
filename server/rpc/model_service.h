#pragma once

#include "server/models/model_importer.h"
#include "server/models/model_store.h"
#include "server/rpc/calls.h"
#include "skytrain/v1/model_service.grpc.pb.h"

namespace skytrain {

class ModelServiceImpl final : public v1::ModelService::CallbackService {
 public:
  ModelServiceImpl(Calls& calls, ModelStore& models, ModelImporter& importer, JobManager& jobs)
      : calls_(calls), models_(models), importer_(importer), jobs_(jobs) {}

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::Model* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* ImportModel(grpc::CallbackServerContext* context,
                                        const v1::ImportModelRequest* request,
                                        v1::Model* response) override;
  grpc::ServerUnaryReactor* SetModelAlias(grpc::CallbackServerContext* context,
                                          const v1::SetModelAliasRequest* request,
                                          v1::Model* response) override;
  grpc::ServerUnaryReactor* DeleteModelAlias(grpc::CallbackServerContext* context,
                                             const v1::DeleteModelAliasRequest* request,
                                             google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* DeleteModel(grpc::CallbackServerContext* context,
                                        const v1::DeleteModelRequest* request,
                                        google::protobuf::Empty* response) override;

 private:
  Calls& calls_;
  ModelStore& models_;
  ModelImporter& importer_;
  JobManager& jobs_;
};

}  // namespace skytrain
