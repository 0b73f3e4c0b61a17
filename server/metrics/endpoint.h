#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "prometheus/collectable.h"
#include "prometheus/exposer.h"

namespace skytrain {

// Answers GET /metrics in Prometheus' text format, on threads of its own, for as long as it lives.
class MetricsEndpoint {
 public:
  // `address`: "HOST:PORT"; port 0: any free one. UNAVAILABLE (PORT_IN_USE).
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(
      absl::string_view address,
      std::vector<std::shared_ptr<prometheus::Collectable>> collectables);

  // "HOST:PORT" with the port that it got.
  const std::string& address() const { return address_; }

 private:
  explicit MetricsEndpoint(std::vector<std::shared_ptr<prometheus::Collectable>> collectables)
      : collectables_(std::move(collectables)) {}

  const std::vector<std::shared_ptr<prometheus::Collectable>>
      collectables_;  // It holds them weakly.
  std::string address_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace skytrain
