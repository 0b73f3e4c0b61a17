#include "server/scheduling/usage_ledger.h"

#include <algorithm>
#include <cmath>

namespace skytrain {
namespace {

constexpr double kCoresPerGpu = 16;

double Decayed(const UsageLedger::Account& account, absl::Time now) {
  // A clock that was set back must not make anybody's past grow.
  const double age = std::max(0.0, absl::FDivDuration(now - account.time, UsageLedger::kHalfLife));
  return account.seconds * std::exp2(-age);
}

}  // namespace

double DeviceWeight(DeviceKind kind) { return kind == kGpu ? kCoresPerGpu : 1; }

double DeviceWeight(const DeviceCounts& devices) {
  return devices[kCpu] * DeviceWeight(kCpu) + devices[kGpu] * DeviceWeight(kGpu);
}

void UsageLedger::Add(const std::string& owner, double seconds, absl::Time now) {
  Account& account = accounts_[owner];
  account = {Decayed(account, now) + seconds, now};
}

double UsageLedger::At(const std::string& owner, absl::Time now) const {
  const auto account = accounts_.find(owner);
  return account == accounts_.end() ? 0 : Decayed(account->second, now);
}

}  // namespace skytrain
