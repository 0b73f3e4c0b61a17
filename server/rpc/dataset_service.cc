#include "server/rpc/dataset_service.h"

#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {

grpc::ServerUnaryReactor* DatasetServiceImpl::InspectDataset(
    grpc::CallbackServerContext* context, const v1::InspectDatasetRequest* request,
    v1::DatasetManifest* response) {
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    if (request->data().source_case() == v1::Data::SOURCE_NOT_SET) {
      return BadRequestError("DATA_INVALID", {{"data", "needs `dataset` or `files`"}});
    }
    ASSIGN_OR_RETURN(*response, inspector_.Inspect(request->data(), request->task(), caller.owner));
    return absl::OkStatus();
  });
}

}  // namespace skytrain
