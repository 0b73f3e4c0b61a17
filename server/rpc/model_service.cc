#include "server/rpc/model_service.h"

#include "common/status_macros.h"

namespace skytrain {

grpc::ServerUnaryReactor* ModelServiceImpl::GetModel(grpc::CallbackServerContext* context,
                                                     const v1::GetModelRequest* request,
                                                     v1::Model* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, models_.Get(request->name(), {caller.owner, caller.admin}));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelServiceImpl::ListModels(grpc::CallbackServerContext* context,
                                                       const v1::ListModelsRequest* request,
                                                       v1::ListModelsResponse* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, models_.List(*request, {caller.owner, caller.admin}));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelServiceImpl::ImportModel(grpc::CallbackServerContext* context,
                                                        const v1::ImportModelRequest* request,
                                                        v1::Model* response) {
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    const auto is_job = [this](const std::string& id) {
      return jobs_.Get({.owner = "", .admin = true}, id).ok();
    };
    ASSIGN_OR_RETURN(*response, importer_.Import(*request, caller.owner, is_job));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelServiceImpl::SetModelAlias(grpc::CallbackServerContext* context,
                                                          const v1::SetModelAliasRequest* request,
                                                          v1::Model* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, models_.SetAlias(request->name(), request->alias(),
                                                 {caller.owner, caller.admin}));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelServiceImpl::DeleteModelAlias(
    grpc::CallbackServerContext* context, const v1::DeleteModelAliasRequest* request,
    google::protobuf::Empty*) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    return models_.DeleteAlias(request->name(), {caller.owner, caller.admin});
  });
}

grpc::ServerUnaryReactor* ModelServiceImpl::DeleteModel(grpc::CallbackServerContext* context,
                                                        const v1::DeleteModelRequest* request,
                                                        google::protobuf::Empty*) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    return models_.Delete(request->name(), {caller.owner, caller.admin},
                          [this](const std::string& model) { return jobs_.UserOf(model); });
  });
}

}  // namespace skytrain
