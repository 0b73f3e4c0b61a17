#include "server/store/speed_rows.h"

#include <cmath>

#include "common/status_macros.h"

namespace skytrain {

absl::StatusOr<std::optional<double>> FindSpeed(Connection& connection, absl::string_view kind) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT flops FROM device_speeds WHERE kind = ?1"));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, kind).Step());
  if (!found) return std::optional<double>();
  return std::optional<double>(static_cast<double>(select.Int(0)));
}

absl::Status PutSpeed(Connection& connection, absl::string_view kind, double flops) {
  ASSIGN_OR_RETURN(
      Statement put,
      connection.Prepare("INSERT OR REPLACE INTO device_speeds (kind, flops) VALUES (?1, ?2)"));
  return put.BindText(1, kind).Bind(2, std::llround(flops)).Run();
}

}  // namespace skytrain
