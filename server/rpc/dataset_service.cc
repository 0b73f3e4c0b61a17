#include "server/rpc/dataset_service.h"

#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

absl::Status CheckSource(const v1::Data& data) {
  if (data.source_case() != v1::Data::SOURCE_NOT_SET) return absl::OkStatus();
  return BadRequestError("DATA_INVALID", {{"data", "needs `dataset` or `files`"}});
}

}  // namespace

grpc::ServerUnaryReactor* DatasetServiceImpl::InspectDataset(
    grpc::CallbackServerContext* context, const v1::InspectDatasetRequest* request,
    v1::DatasetManifest* response) {
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    RETURN_IF_ERROR(CheckSource(request->data()));
    ASSIGN_OR_RETURN(*response, datasets_.Inspect(request->data(), request->task(), caller.owner,
                                                  request->unlabelled()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::PreviewDataset(
    grpc::CallbackServerContext* context, const v1::PreviewDatasetRequest* request,
    v1::PreviewDatasetResponse* response) {
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    RETURN_IF_ERROR(CheckSource(request->data()));
    ASSIGN_OR_RETURN(*response, datasets_.Preview(*request, caller.owner));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::RegisterDataset(
    grpc::CallbackServerContext* context, const v1::RegisterDatasetRequest* request,
    v1::Dataset* response) {
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, datasets_.Register(request->dataset(), caller.owner));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::GetDataset(grpc::CallbackServerContext* context,
                                                         const v1::GetDatasetRequest* request,
                                                         v1::Dataset* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, datasets_.Get(request->name(), {caller.owner, caller.admin}));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::ListDatasets(grpc::CallbackServerContext* context,
                                                           const v1::ListDatasetsRequest* request,
                                                           v1::ListDatasetsResponse* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, datasets_.List(*request, {caller.owner, caller.admin}));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::DeleteDataset(grpc::CallbackServerContext* context,
                                                            const v1::DeleteDatasetRequest* request,
                                                            google::protobuf::Empty*) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    return datasets_.Delete(request->name(), {caller.owner, caller.admin});
  });
}

}  // namespace skytrain
