#include "server/store/hook_rows.h"

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/store/row_crc.h"

namespace skytrain {
namespace {

RowCrc CrcOf(const HookRow& row) {
  return RowCrc()
      .Add(row.hook)
      .Add(row.job_uid)
      .Add(row.job_id)
      .Add(row.seq)
      .Add(row.create_time)
      .Add(row.payload);
}

}  // namespace

absl::Status InsertHookRow(Connection& connection, const HookRow& row) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO hook_deliveries "
                                      "(hook, job_uid, job_id, seq, create_time, payload, crc32c) "
                                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  return insert.BindText(1, row.hook)
      .BindText(2, row.job_uid)
      .BindText(3, row.job_id)
      .Bind(4, row.seq)
      .Bind(5, row.create_time)
      .BindBlob(6, row.payload)
      .Bind(7, CrcOf(row).masked())
      .Run();
}

absl::StatusOr<std::vector<HookRowHead>> ListHookRows(Connection& connection, int64_t after,
                                                      int64_t limit) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT id, hook, job_uid, length(payload) "
                                      "FROM hook_deliveries WHERE id > ?1 ORDER BY id LIMIT ?2"));
  select.Bind(1, after).Bind(2, limit);
  std::vector<HookRowHead> heads;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return heads;
    heads.push_back(
        {select.Int(0), std::string(select.Text(1)), std::string(select.Text(2)), select.Int(3)});
  }
}

absl::StatusOr<std::optional<HookRow>> FindHookRow(Connection& connection, int64_t id) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT hook, job_uid, job_id, seq, create_time, payload, crc32c "
                         "FROM hook_deliveries WHERE id = ?1"));
  ASSIGN_OR_RETURN(const bool found, select.Bind(1, id).Step());
  if (!found) return std::optional<HookRow>();
  HookRow row;
  row.id = id;
  row.hook = std::string(select.Text(0));
  row.job_uid = std::string(select.Text(1));
  row.job_id = std::string(select.Text(2));
  row.seq = select.Int(3);
  row.create_time = select.Int(4);
  row.payload = std::string(select.Blob(5));
  if (CrcOf(row).Differs(select, 6)) {
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "STORE_CORRUPT",
        absl::StrCat("row ", id, " of hook_deliveries is damaged in the database"));
  }
  return std::optional<HookRow>(std::move(row));
}

absl::Status DeleteHookRow(Connection& connection, int64_t id) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM hook_deliveries WHERE id = ?1"));
  return remove.Bind(1, id).Run();
}

absl::StatusOr<std::vector<std::string>> HooksWithRows(Connection& connection) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT DISTINCT hook FROM hook_deliveries"));
  return select.Texts();
}

absl::StatusOr<int64_t> DeleteRowsOfHook(Connection& connection, absl::string_view hook) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM hook_deliveries WHERE hook = ?1"));
  RETURN_IF_ERROR(remove.BindText(1, hook).Run());
  return connection.Changes();
}

}  // namespace skytrain
