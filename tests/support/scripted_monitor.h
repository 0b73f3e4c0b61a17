#pragma once

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "server/devices/device_monitor.h"

namespace skytrain {

// A DeviceMonitor that sees what a test sets. Thread-safe.
class ScriptedMonitor : public DeviceMonitor {
 public:
  explicit ScriptedMonitor(std::vector<GpuState> gpus) : answer_(std::move(gpus)) {}

  void Set(absl::StatusOr<std::vector<GpuState>> answer) {
    MutexLock lock(mu_);
    answer_ = std::move(answer);
  }

  absl::StatusOr<std::vector<GpuState>> Look() override {
    MutexLock lock(mu_);
    ++looks_;
    return answer_;
  }

  int looks() {
    MutexLock lock(mu_);
    return looks_;
  }

 private:
  Mutex mu_;
  absl::StatusOr<std::vector<GpuState>> answer_ ABSL_GUARDED_BY(mu_);
  int looks_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace skytrain
