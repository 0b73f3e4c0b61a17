#include "server/jobs/usage_keeper.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/status_macros.h"
#include "server/store/usage_rows.h"

namespace skytrain {

absl::Status UsageKeeper::Load() {
  return database_.Read([this](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<UsageRow> rows, ListUsage(connection));
    for (const UsageRow& row : rows) {
      const absl::Time time = absl::FromUnixSeconds(row.time);
      ledger_.Restore(row.owner, {static_cast<double>(row.seconds), time});
      charged_until_ = std::max(charged_until_, time);
    }
    return absl::OkStatus();
  });
}

void UsageKeeper::Charge(const std::string& owner, double weight, absl::Time from, absl::Time to) {
  if (to <= from) return;
  ledger_.Add(owner, weight * absl::ToDoubleSeconds(to - from), to);
  changed_ = true;
}

absl::Status UsageKeeper::Store() {
  if (!changed_) return absl::OkStatus();
  RETURN_IF_ERROR(
      database_.Write(Database::Priority::kBulk, [this](Connection& connection) -> absl::Status {
        for (const auto& [owner, account] : ledger_.accounts()) {
          RETURN_IF_ERROR(PutUsage(connection, {owner, std::llround(account.seconds),
                                                absl::ToUnixSeconds(account.time)}));
        }
        return absl::OkStatus();
      }));
  changed_ = false;
  return absl::OkStatus();
}

absl::flat_hash_map<std::string, double> UsageKeeper::At(absl::Time now) const {
  absl::flat_hash_map<std::string, double> usage;
  for (const auto& [owner, account] : ledger_.accounts()) usage[owner] = ledger_.At(owner, now);
  return usage;
}

}  // namespace skytrain
