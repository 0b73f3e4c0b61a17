#include "server/store/usage_rows.h"

#include "common/status_macros.h"

namespace skytrain {

absl::StatusOr<std::vector<UsageRow>> ListUsage(Connection& connection) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT owner, seconds, time FROM owner_usage"));
  std::vector<UsageRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return rows;
    rows.push_back({std::string(select.Text(0)), select.Int(1), select.Int(2)});
  }
}

absl::Status PutUsage(Connection& connection, const UsageRow& row) {
  ASSIGN_OR_RETURN(Statement put,
                   connection.Prepare("INSERT OR REPLACE INTO owner_usage (owner, seconds, time) "
                                      "VALUES (?1, ?2, ?3)"));
  return put.BindText(1, row.owner).Bind(2, row.seconds).Bind(3, row.time).Run();
}

}  // namespace skytrain
