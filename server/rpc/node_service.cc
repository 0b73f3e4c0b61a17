#include "server/rpc/node_service.h"

#include "common/clock.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/timestamp.h"

namespace skytrain {
namespace {

v1::ServerInfo::Phase ToProto(ServingPhase phase) {
  switch (phase) {
    case ServingPhase::kStarting:
      return v1::ServerInfo::PHASE_STARTING;
    case ServingPhase::kServing:
      return v1::ServerInfo::PHASE_SERVING;
    case ServingPhase::kDraining:
      return v1::ServerInfo::PHASE_DRAINING;
  }
  return v1::ServerInfo::PHASE_UNSPECIFIED;
}

}  // namespace

grpc::ServerUnaryReactor* NodeServiceImpl::GetServerInfo(grpc::CallbackServerContext* context,
                                                         const v1::GetServerInfoRequest*,
                                                         v1::ServerInfo* response) {
  return calls_.RunAlways(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(const Identity identity, calls_.IdentityOf(*context));
    *response = node_.info;
    response->set_role(caller.admin ? "admin" : "user");
    if (identity.expiry != absl::InfiniteFuture()) {
      *response->mutable_credential_expiry() = ToTimestamp(identity.expiry);
    }
    if (node_.certificate_expiry != nullptr) {
      if (const auto expiry = node_.certificate_expiry(); expiry.ok()) {
        *response->mutable_certificate_expiry() = ToTimestamp(*expiry);
      }
    }
    response->set_caller(caller.owner);
    response->set_phase(ToProto(calls_.phase()));
    *response->mutable_disk() = node_.disk();
    *response->mutable_time() = ToTimestamp(Clock::Real().Now());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NodeServiceImpl::ListDevices(grpc::CallbackServerContext* context,
                                                       const v1::ListDevicesRequest*,
                                                       v1::ListDevicesResponse* response) {
  return calls_.Run(context, [=, this](const Caller&) {
    for (const DeviceUse& use : jobs_.Devices()) {
      v1::Device* device = response->add_devices();
      for (const v1::Device& known : node_.devices) {
        if (known.name() == use.device) *device = known;
      }
      device->set_name(use.device);
      device->set_job(use.job);
      device->set_unavailable(use.unavailable);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NodeServiceImpl::GetQueue(grpc::CallbackServerContext* context,
                                                    const v1::GetQueueRequest*,
                                                    v1::GetQueueResponse* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, jobs_.Queue(caller));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NodeServiceImpl::CollectGarbage(grpc::CallbackServerContext* context,
                                                          const v1::CollectGarbageRequest* request,
                                                          v1::CollectGarbageResponse* response) {
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    if (!caller.admin) {
      return ErrorWithReason(absl::StatusCode::kPermissionDenied, "NOT_ADMIN",
                             "only admins may remove what belongs to everybody");
    }
    ASSIGN_OR_RETURN(*response, collector_.Collect(request->validate_only()));
    return absl::OkStatus();
  });
}

}  // namespace skytrain
