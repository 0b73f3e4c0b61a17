#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// A GPU counts as much as the processor cores that usually come with one.
double DeviceWeight(DeviceKind kind);
double DeviceWeight(const DeviceCounts& devices);

// How many device seconds each owner used of late: what fair share goes by. What was used a
// half-life ago counts half. Not thread-safe.
class UsageLedger {
 public:
  static constexpr absl::Duration kHalfLife = absl::Hours(7 * 24);

  struct Account {
    double seconds = 0;  // Weighted; decayed to `time`.
    absl::Time time = absl::UnixEpoch();
  };

  void Add(const std::string& owner, double seconds, absl::Time now);
  // 0 for who never used anything.
  double At(const std::string& owner, absl::Time now) const;

  // As stored.
  const std::map<std::string, Account>& accounts() const { return accounts_; }
  void Restore(const std::string& owner, const Account& account) { accounts_[owner] = account; }

 private:
  std::map<std::string, Account> accounts_;
};

}  // namespace skytrain
