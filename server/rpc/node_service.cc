#include "server/rpc/node_service.h"

namespace skytrain {

grpc::ServerUnaryReactor* NodeServiceImpl::GetServerInfo(grpc::CallbackServerContext* context,
                                                         const v1::GetServerInfoRequest*,
                                                         v1::ServerInfo* response) {
  return calls_.Run(context, [=, this](const Caller& caller) {
    *response = node_.info;
    response->set_caller(caller.owner);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NodeServiceImpl::ListDevices(grpc::CallbackServerContext* context,
                                                       const v1::ListDevicesRequest*,
                                                       v1::ListDevicesResponse* response) {
  return calls_.Run(context, [=, this](const Caller&) {
    for (const auto& [name, job] : jobs_.DeviceHolders()) {
      v1::Device* device = response->add_devices();
      for (const v1::Device& known : node_.devices) {
        if (known.name() == name) *device = known;
      }
      device->set_name(name);
      device->set_job(job);
    }
    return absl::OkStatus();
  });
}

}  // namespace skytrain
