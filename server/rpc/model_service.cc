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

}  // namespace skytrain
