#include "server/datasets/dataset_rows.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/store/row_crc.h"

namespace skytrain {
namespace {

constexpr absl::string_view kColumns = "owner, name, create_time, proto, crc32c";

RowCrc CrcOf(const DatasetRow& row) {
  RowCrc crc;
  return crc.Add(row.owner).Add(row.name).Add(row.create_time).Add(row.proto);
}

absl::StatusOr<std::vector<DatasetRow>> AllRows(Statement& statement) {
  std::vector<DatasetRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return rows;
    DatasetRow& row = rows.emplace_back();
    row.owner = std::string(statement.Text(0));
    row.name = std::string(statement.Text(1));
    row.create_time = statement.Int(2);
    row.proto = std::string(statement.Blob(3));
    row.damaged = CrcOf(row).Differs(statement, 4);
  }
}

}  // namespace

absl::Status InsertDataset(Connection& connection, const DatasetRow& row) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare(absl::StrCat("INSERT INTO datasets (", kColumns,
                                                   ") VALUES (?1, ?2, ?3, ?4, ?5)")));
  return insert.BindText(1, row.owner)
      .BindText(2, row.name)
      .Bind(3, row.create_time)
      .BindBlob(4, row.proto)
      .Bind(5, CrcOf(row).masked())
      .Run();
}

absl::StatusOr<std::vector<DatasetRow>> FindDatasets(Connection& connection, absl::string_view name,
                                                     const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare(absl::StrCat("SELECT ", kColumns, " FROM datasets WHERE name = ?1 AND ",
                                      "(?2 IS NULL OR owner = ?2) ORDER BY create_time, owner")));
  select.BindText(1, name);
  if (owner.has_value()) select.BindText(2, *owner);
  return AllRows(select);
}

absl::StatusOr<bool> DeleteDataset(Connection& connection, absl::string_view owner,
                                   absl::string_view name) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM datasets WHERE owner = ?1 AND name = ?2"));
  RETURN_IF_ERROR(remove.BindText(1, owner).BindText(2, name).Run());
  return connection.Changes() > 0;
}

absl::StatusOr<std::vector<DatasetRow>> ListDatasets(Connection& connection,
                                                     const DatasetPosition& after, int limit,
                                                     const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare(absl::StrCat(
                       "SELECT ", kColumns, " FROM datasets WHERE (name, owner) > (?1, ?2) AND ",
                       "(?4 IS NULL OR owner = ?4) ORDER BY name, owner LIMIT ?3")));
  select.BindText(1, after.name).BindText(2, after.owner).Bind(3, limit);
  if (owner.has_value()) select.BindText(4, *owner);
  return AllRows(select);
}

absl::StatusOr<int64_t> CountDatasets(Connection& connection, absl::string_view owner) {
  ASSIGN_OR_RETURN(Statement count,
                   connection.Prepare("SELECT count(*) FROM datasets WHERE owner = ?1"));
  RETURN_IF_ERROR(count.BindText(1, owner).Step().status());
  return count.Int(0);
}

absl::StatusOr<std::vector<std::string>> DatasetNames(Connection& connection,
                                                      const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT DISTINCT name FROM datasets "
                                      "WHERE (?1 IS NULL OR owner = ?1) LIMIT 1000"));
  if (owner.has_value()) select.BindText(1, *owner);
  return select.Texts();
}

}  // namespace skytrain
