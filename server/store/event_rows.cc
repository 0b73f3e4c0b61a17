#include "server/store/event_rows.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/store/row_crc.h"

namespace skytrain {
namespace {

RowCrc OffsetCrc(absl::string_view job_uid, int attempt, absl::string_view file, uint64_t offset) {
  return RowCrc().Add(job_uid).Add(attempt).Add(file).Add(static_cast<int64_t>(offset));
}

}  // namespace

absl::Status InsertBatch(Connection& connection, absl::string_view job_uid, int64_t first_seq,
                         int64_t count, uint32_t crc32c, absl::string_view events) {
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO event_batches (job_uid, first_seq, count, crc32c, events) "
                         "VALUES (?1, ?2, ?3, ?4, ?5)"));
  insert.BindText(1, job_uid).Bind(2, first_seq).Bind(3, count);
  return insert.Bind(4, crc32c).BindBlob(5, events).Run();
}

absl::StatusOr<std::optional<BatchRow>> FindBatch(Connection& connection, absl::string_view job_uid,
                                                  int64_t seq) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT first_seq, count, crc32c, events FROM event_batches "
                                      "WHERE job_uid = ?1 AND first_seq <= ?2 "
                                      "ORDER BY first_seq DESC LIMIT 1"));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, job_uid).Bind(2, seq).Step());
  if (!found) return std::optional<BatchRow>();
  return std::optional<BatchRow>(BatchRow{select.Int(0), select.Int(1),
                                          static_cast<uint32_t>(select.Int(2)),
                                          std::string(select.Blob(3))});
}

absl::StatusOr<int64_t> DeleteBatches(Connection& connection, absl::string_view job_uid,
                                      int64_t limit) {
  ASSIGN_OR_RETURN(
      Statement remove,
      connection.Prepare("DELETE FROM event_batches WHERE job_uid = ?1 AND first_seq IN "
                         "(SELECT first_seq FROM event_batches WHERE job_uid = ?1 "
                         "ORDER BY first_seq LIMIT ?2)"));
  RETURN_IF_ERROR(remove.BindText(1, job_uid).Bind(2, limit).Run());
  return connection.Changes();
}

absl::StatusOr<int64_t> DeleteBatchesBelow(Connection& connection, absl::string_view job_uid,
                                           int64_t seq, int64_t limit) {
  ASSIGN_OR_RETURN(
      Statement remove,
      connection.Prepare("DELETE FROM event_batches WHERE job_uid = ?1 AND first_seq IN "
                         "(SELECT first_seq FROM event_batches WHERE job_uid = ?1 "
                         "AND first_seq + count <= ?2 ORDER BY first_seq LIMIT ?3)"));
  RETURN_IF_ERROR(remove.BindText(1, job_uid).Bind(2, seq).Bind(3, limit).Run());
  return connection.Changes();
}

absl::StatusOr<int64_t> NewestBatch(Connection& connection, absl::string_view job_uid) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT max(first_seq) FROM event_batches WHERE job_uid = ?1"));
  ASSIGN_OR_RETURN(const bool row, select.BindText(1, job_uid).Step());
  return row ? select.Int(0) : 0;
}

absl::StatusOr<int64_t> EventBytesBelow(Connection& connection, absl::string_view job_uid,
                                        int64_t seq) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT sum(length(events)) FROM event_batches "
                                      "WHERE job_uid = ?1 AND first_seq + count <= ?2"));
  ASSIGN_OR_RETURN(const bool row, select.BindText(1, job_uid).Bind(2, seq).Step());
  return row ? select.Int(0) : 0;
}

absl::StatusOr<int64_t> FirstAvailableSeq(Connection& connection, absl::string_view job_uid) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT first_seq FROM event_floors WHERE job_uid = ?1"));
  ASSIGN_OR_RETURN(const bool row, select.BindText(1, job_uid).Step());
  return row ? select.Int(0) : 1;
}

absl::Status SetFirstAvailableSeq(Connection& connection, absl::string_view job_uid, int64_t seq) {
  ASSIGN_OR_RETURN(Statement put,
                   connection.Prepare(
                       "INSERT OR REPLACE INTO event_floors (job_uid, first_seq) VALUES (?1, ?2)"));
  return put.BindText(1, job_uid).Bind(2, seq).Run();
}

absl::StatusOr<std::vector<std::string>> UidsWithoutJob(Connection& connection) {
  // Skips from job to job along the primary key instead of reading every batch.
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare(
          "WITH RECURSIVE present(uid) AS ("
          "  SELECT min(job_uid) FROM event_batches"
          "  UNION ALL"
          "  SELECT (SELECT min(job_uid) FROM event_batches WHERE job_uid > present.uid)"
          "  FROM present WHERE present.uid IS NOT NULL) "
          "SELECT uid FROM present WHERE uid IS NOT NULL AND uid NOT IN (SELECT uid FROM jobs)"));
  return select.Texts();
}

absl::Status PutSpoolOffset(Connection& connection, absl::string_view job_uid, int attempt,
                            absl::string_view file, uint64_t offset) {
  ASSIGN_OR_RETURN(
      Statement put,
      connection.Prepare("INSERT OR REPLACE INTO spool_offsets "
                         "(job_uid, number, file, offset, crc32c) VALUES (?1, ?2, ?3, ?4, ?5)"));
  put.BindText(1, job_uid).Bind(2, attempt).BindText(3, file).Bind(4, static_cast<int64_t>(offset));
  return put.Bind(5, OffsetCrc(job_uid, attempt, file, offset).masked()).Run();
}

absl::StatusOr<std::vector<SpoolOffset>> SpoolOffsets(Connection& connection,
                                                      absl::string_view job_uid, int attempt) {
  ASSIGN_OR_RETURN(Statement select, connection.Prepare("SELECT file, offset, crc32c "
                                                        "FROM spool_offsets "
                                                        "WHERE job_uid = ?1 AND number = ?2"));
  select.BindText(1, job_uid).Bind(2, attempt);
  std::vector<SpoolOffset> offsets;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return offsets;
    SpoolOffset& stored = offsets.emplace_back(
        SpoolOffset{std::string(select.Text(0)), static_cast<uint64_t>(select.Int(1))});
    stored.damaged = OffsetCrc(job_uid, attempt, stored.file, stored.offset).Differs(select, 2);
  }
}

absl::Status DeleteSpoolOffset(Connection& connection, absl::string_view job_uid, int attempt,
                               absl::string_view file) {
  ASSIGN_OR_RETURN(
      Statement remove,
      connection.Prepare(
          "DELETE FROM spool_offsets WHERE job_uid = ?1 AND number = ?2 AND file = ?3"));
  return remove.BindText(1, job_uid).Bind(2, attempt).BindText(3, file).Run();
}

}  // namespace skytrain
