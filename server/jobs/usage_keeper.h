#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/scheduling/usage_ledger.h"
#include "server/store/database.h"

namespace skytrain {

// The usage of all owners, kept in the database so that it outlives the daemon: a daemon that is
// killed forgets at most what was used since the last Store, and of attempts that it adopts, not
// even that. For one thread.
class UsageKeeper {
 public:
  explicit UsageKeeper(Database& database) : database_(database) {}

  absl::Status Load();
  // Counts what an attempt used since the last call for it (or since it began), `weight` being
  // that of its devices.
  void Charge(const std::string& owner, double weight, absl::Time from, absl::Time to);
  // Writes what has changed.
  absl::Status Store();

  // Of all owners.
  absl::flat_hash_map<std::string, double> At(absl::Time now) const;
  // Up to when the running attempts of an earlier daemon have been charged.
  absl::Time charged_until() const { return charged_until_; }

 private:
  Database& database_;
  UsageLedger ledger_;
  bool changed_ = false;
  absl::Time charged_until_ = absl::InfinitePast();
};

}  // namespace skytrain
