#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace skytrain {

// A GPU as the driver sees it at one moment.
struct GpuState {
  struct Process {
    int pid = 0;
    int64_t memory_bytes = 0;  // 0: not known.
  };
  std::string model;
  int64_t memory_bytes = 0;
  int64_t used_bytes = 0;
  std::vector<Process> processes;  // That compute on it, of all users.
  std::string problem;             // Why it cannot be used; empty: it can.
};

// Looks at the node's GPUs. Implementations: NVML (nvml_monitor.h), scripted (tests/support).
class DeviceMonitor {
 public:
  virtual ~DeviceMonitor() = default;
  // By number: "gpu:0" first. May take long, or for ever, when the driver is in trouble.
  // UNAVAILABLE: the driver does not answer. One thread at a time.
  virtual absl::StatusOr<std::vector<GpuState>> Look() = 0;
};

}  // namespace skytrain
