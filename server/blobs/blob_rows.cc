#include "server/blobs/blob_rows.h"

#include "common/status_macros.h"

namespace skytrain {
namespace {

BlobRow RowOf(const Statement& statement) {
  BlobRow row;
  row.sha256 = std::string(statement.Text(0));
  row.size = statement.Int(1);
  row.create_time = statement.Int(2);
  row.use_time = statement.Int(3);
  return row;
}

}  // namespace

absl::Status InsertBlob(Connection& connection, const BlobRow& row, absl::string_view owner) {
  ASSIGN_OR_RETURN(
      Statement blob,
      connection.Prepare("INSERT OR IGNORE INTO blobs (sha256, size, create_time, use_time) "
                         "VALUES (?1, ?2, ?3, ?4)"));
  blob.BindText(1, row.sha256).Bind(2, row.size).Bind(3, row.create_time).Bind(4, row.use_time);
  RETURN_IF_ERROR(blob.Run());
  ASSIGN_OR_RETURN(
      Statement of,
      connection.Prepare("INSERT OR IGNORE INTO blob_owners (owner, sha256) VALUES (?1, ?2)"));
  return of.BindText(1, owner).BindText(2, row.sha256).Run();
}

absl::StatusOr<std::optional<BlobRow>> FindBlob(Connection& connection, absl::string_view sha256) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT sha256, size, create_time, use_time FROM blobs "
                                      "WHERE sha256 = ?1"));
  select.BindText(1, sha256);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::optional<BlobRow>();
  return std::optional<BlobRow>(RowOf(select));
}

absl::StatusOr<bool> OwnsBlob(Connection& connection, absl::string_view sha256,
                              absl::string_view owner) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT 1 FROM blob_owners WHERE owner = ?1 AND sha256 = ?2"));
  select.BindText(1, owner).BindText(2, sha256);
  return select.Step();
}

absl::StatusOr<int64_t> BytesOfOwner(Connection& connection, absl::string_view owner) {
  ASSIGN_OR_RETURN(Statement sum,
                   connection.Prepare("SELECT coalesce(sum(size), 0) FROM blob_owners "
                                      "JOIN blobs USING (sha256) WHERE owner = ?1"));
  sum.BindText(1, owner);
  ASSIGN_OR_RETURN(const bool found, sum.Step());
  return found ? sum.Int(0) : 0;
}

absl::Status SetBlobUseTime(Connection& connection, absl::string_view sha256, int64_t use_time) {
  ASSIGN_OR_RETURN(Statement update,
                   connection.Prepare("UPDATE blobs SET use_time = ?2 WHERE sha256 = ?1"));
  return update.BindText(1, sha256).Bind(2, use_time).Run();
}

absl::StatusOr<std::vector<BlobRow>> AllBlobs(Connection& connection) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT sha256, size, create_time, use_time FROM blobs ORDER BY sha256"));
  std::vector<BlobRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return rows;
    rows.push_back(RowOf(select));
  }
}

absl::StatusOr<bool> DeleteBlob(Connection& connection, absl::string_view sha256,
                                int64_t use_time) {
  ASSIGN_OR_RETURN(Statement blob,
                   connection.Prepare("DELETE FROM blobs WHERE sha256 = ?1 AND use_time <= ?2"));
  RETURN_IF_ERROR(blob.BindText(1, sha256).Bind(2, use_time).Run());
  if (connection.Changes() == 0) return false;
  ASSIGN_OR_RETURN(Statement owners,
                   connection.Prepare("DELETE FROM blob_owners WHERE sha256 = ?1"));
  RETURN_IF_ERROR(owners.BindText(1, sha256).Run());
  return true;
}

}  // namespace skytrain
