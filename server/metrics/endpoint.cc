#include "server/metrics/endpoint.h"

#include <exception>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace skytrain {

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    absl::string_view address, std::vector<std::shared_ptr<prometheus::Collectable>> collectables) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint(std::move(collectables)));
  try {  // The library has no other way to say it.
    endpoint->exposer_ = std::make_unique<prometheus::Exposer>(std::string(address));
  } catch (const std::exception&) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "PORT_IN_USE",
                           absl::StrCat("metrics_listen: cannot listen on ", address,
                                        ": another program has the port, or the address is not "
                                        "one of this machine"));
  }
  for (const auto& collectable : endpoint->collectables_) {
    endpoint->exposer_->RegisterCollectable(collectable);
  }
  const std::vector<int> ports = endpoint->exposer_->GetListeningPorts();
  endpoint->address_ =
      absl::StrCat(address.substr(0, address.rfind(':') + 1), ports.empty() ? 0 : ports.front());
  return endpoint;
}

}  // namespace skytrain
