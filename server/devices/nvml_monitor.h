#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/devices/device_monitor.h"

namespace skytrain {

// NVIDIA's management library. It belongs to the driver, so it is opened where there is one, and
// never linked; the few functions that are needed are declared in the .cc file, as NVML's
// documentation gives them.
class NvmlMonitor final : public DeviceMonitor {
 public:
  // Null: there is no driver, or it is older than what is needed (NVML 11).
  static std::unique_ptr<NvmlMonitor> Open(const std::string& library = "libnvidia-ml.so.1");
  ~NvmlMonitor() override;

  absl::StatusOr<std::vector<GpuState>> Look() override;

 private:
  struct Functions;
  explicit NvmlMonitor(std::unique_ptr<Functions> functions);
  GpuState LookAt(unsigned index) const;

  std::unique_ptr<Functions> functions_;
};

}  // namespace skytrain
