#include "server/store/job_rows.h"

#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/store/row_crc.h"

namespace skytrain {
namespace {

constexpr absl::string_view kSelect =
    "SELECT j.uid, j.id, j.owner, j.state, j.last_seq, j.snapshot, s.spec, "
    "j.crc32c, s.crc32c, s.uid IS NULL "
    "FROM jobs j LEFT JOIN job_specs s ON s.uid = j.uid ";

RowCrc CrcOf(const JobRow& row) {
  return RowCrc().Add(row.uid).Add(row.state).Add(row.last_seq).Add(row.snapshot);
}

RowCrc SpecCrcOf(const JobRow& row) { return RowCrc().Add(row.uid).Add(row.spec); }

RowCrc CrcOf(absl::string_view job_uid, const AttemptRow& row) {
  return RowCrc().Add(job_uid).Add(row.number).Add(row.attempt).Add(row.rank_result);
}

RowCrc CrcOf(absl::string_view owner, absl::string_view request_id, const RequestRow& row) {
  return RowCrc().Add(owner).Add(request_id).Add(row.payload).Add(row.job_uid);
}

JobRow RowOf(const Statement& statement) {
  JobRow row;
  row.uid = std::string(statement.Text(0));
  row.id = std::string(statement.Text(1));
  row.owner = std::string(statement.Text(2));
  row.state = static_cast<int>(statement.Int(3));
  row.last_seq = statement.Int(4);
  row.snapshot = std::string(statement.Blob(5));
  row.spec = std::string(statement.Blob(6));
  row.damaged = CrcOf(row).Differs(statement, 7) || SpecCrcOf(row).Differs(statement, 8) ||
                statement.Int(9) != 0;  // The uid is damaged here or there.
  return row;
}

absl::StatusOr<std::optional<JobRow>> FindJob(Connection& connection, absl::string_view where,
                                              absl::string_view key) {
  ASSIGN_OR_RETURN(Statement select, connection.Prepare(absl::StrCat(kSelect, where)));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, key).Step());
  if (!found) return std::optional<JobRow>();
  return std::optional<JobRow>(RowOf(select));
}

absl::StatusOr<std::vector<JobRow>> AllRows(Statement& select) {
  std::vector<JobRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return rows;
    rows.push_back(RowOf(select));
  }
}

}  // namespace

absl::Status InsertJob(Connection& connection, const JobRow& row) {
  ASSIGN_OR_RETURN(
      Statement job,
      connection.Prepare("INSERT INTO jobs (uid, id, owner, state, last_seq, snapshot, crc32c) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  job.BindText(1, row.uid).BindText(2, row.id).BindText(3, row.owner);
  job.Bind(4, row.state).Bind(5, row.last_seq).BindBlob(6, row.snapshot);
  RETURN_IF_ERROR(job.Bind(7, CrcOf(row).masked()).Run());
  ASSIGN_OR_RETURN(
      Statement spec,
      connection.Prepare("INSERT INTO job_specs (uid, spec, crc32c) VALUES (?1, ?2, ?3)"));
  spec.BindText(1, row.uid).BindBlob(2, row.spec);
  return spec.Bind(3, SpecCrcOf(row).masked()).Run();
}

absl::Status SetFlopsPerSample(Connection& connection, absl::string_view uid, double flops) {
  ASSIGN_OR_RETURN(Statement update,
                   connection.Prepare("UPDATE job_specs SET flops = ?2 WHERE uid = ?1"));
  return update.BindText(1, uid).Bind(2, std::llround(flops)).Run();
}

absl::StatusOr<double> FlopsPerSample(Connection& connection, absl::string_view uid) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT flops FROM job_specs WHERE uid = ?1"));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, uid).Step());
  return found ? static_cast<double>(select.Int(0)) : 0.0;
}

absl::Status UpdateJob(Connection& connection, const JobRow& row) {
  ASSIGN_OR_RETURN(
      Statement update,
      connection.Prepare("UPDATE jobs SET state = ?2, last_seq = ?3, snapshot = ?4, crc32c = ?5 "
                         "WHERE uid = ?1"));
  update.BindText(1, row.uid).Bind(2, row.state).Bind(3, row.last_seq).BindBlob(4, row.snapshot);
  RETURN_IF_ERROR(update.Bind(5, CrcOf(row).masked()).Run());
  if (connection.Changes() != 1) return absl::NotFoundError(absl::StrCat("no job ", row.uid));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<JobRow>> FindJobById(Connection& connection, absl::string_view id) {
  return FindJob(connection, "WHERE j.id = ?1", id);
}

absl::StatusOr<std::optional<JobRow>> FindJobByUid(Connection& connection, absl::string_view uid) {
  return FindJob(connection, "WHERE j.uid = ?1", uid);
}

absl::StatusOr<std::vector<JobRow>> ListJobs(Connection& connection, const JobPage& page) {
  // Conditions that are there, and no others, so that SQLite can use the index of each.
  std::string sql = absl::StrCat(kSelect, "WHERE ((?1 >> j.state) & 1) = 1");
  const bool one_state = std::has_single_bit(page.states);
  if (one_state) absl::StrAppend(&sql, " AND j.state = ?2");
  if (!page.owner.empty()) absl::StrAppend(&sql, " AND j.owner = ?3");
  if (!page.before_uid.empty()) absl::StrAppend(&sql, " AND j.uid < ?4");
  absl::StrAppend(&sql, " ORDER BY j.uid DESC LIMIT ?5");
  ASSIGN_OR_RETURN(Statement select, connection.Prepare(sql));
  select.Bind(1, static_cast<int64_t>(page.states));
  if (one_state) select.Bind(2, std::countr_zero(page.states));
  if (!page.owner.empty()) select.BindText(3, page.owner);
  if (!page.before_uid.empty()) select.BindText(4, page.before_uid);
  select.Bind(5, page.limit);
  return AllRows(select);
}

absl::StatusOr<std::vector<JobRow>> JobsInStates(Connection& connection, uint64_t states,
                                                 absl::string_view after_uid, int limit) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare(absl::StrCat(
          kSelect, "WHERE ((?1 >> j.state) & 1) = 1 AND j.uid > ?2 ORDER BY j.uid LIMIT ?3")));
  select.Bind(1, static_cast<int64_t>(states)).BindText(2, after_uid).Bind(3, limit);
  return AllRows(select);
}

absl::StatusOr<std::vector<JobRow>> DamagedJobsOutside(Connection& connection, uint64_t states) {
  // A state that is damaged may be no number at all. Rows of schema version 1 have no checksum.
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare(absl::StrCat(
                       kSelect,
                       "WHERE ((?1 >> j.state) & 1) IS NOT 1 AND (s.uid IS NULL "
                       "OR row_crc(j.uid, j.state, j.last_seq, j.snapshot) <> j.crc32c "
                       "OR row_crc(s.uid, s.spec) <> s.crc32c) ORDER BY j.uid")));
  select.Bind(1, static_cast<int64_t>(states));
  ASSIGN_OR_RETURN(std::vector<JobRow> damaged, AllRows(select));
  for (JobRow& row : damaged) row.damaged = true;  // Also one that reading made whole: 5 for "5".
  return damaged;
}

absl::Status DeleteJob(Connection& connection, absl::string_view uid) {
  for (absl::string_view sql :
       {"DELETE FROM jobs WHERE uid = ?1", "DELETE FROM job_specs WHERE uid = ?1",
        "DELETE FROM attempts WHERE job_uid = ?1", "DELETE FROM spool_offsets WHERE job_uid = ?1",
        "DELETE FROM event_floors WHERE job_uid = ?1"}) {
    ASSIGN_OR_RETURN(Statement statement, connection.Prepare(sql));
    RETURN_IF_ERROR(statement.BindText(1, uid).Run());
  }
  return absl::OkStatus();
}

absl::Status PutAttempt(Connection& connection, absl::string_view job_uid, const AttemptRow& row) {
  ASSIGN_OR_RETURN(Statement put,
                   connection.Prepare("INSERT OR REPLACE INTO attempts "
                                      "(job_uid, number, attempt, rank_result, crc32c) "
                                      "VALUES (?1, ?2, ?3, ?4, ?5)"));
  put.BindText(1, job_uid).Bind(2, row.number).BindBlob(3, row.attempt);
  return put.BindBlob(4, row.rank_result).Bind(5, CrcOf(job_uid, row).masked()).Run();
}

absl::StatusOr<std::vector<AttemptRow>> ListAttempts(Connection& connection,
                                                     absl::string_view job_uid) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT number, attempt, rank_result, crc32c FROM attempts "
                                      "WHERE job_uid = ?1 ORDER BY number"));
  select.BindText(1, job_uid);
  std::vector<AttemptRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return rows;
    AttemptRow& attempt = rows.emplace_back(AttemptRow{
        static_cast<int>(select.Int(0)), std::string(select.Blob(1)), std::string(select.Blob(2))});
    attempt.damaged = CrcOf(job_uid, attempt).Differs(select, 3);
  }
}

absl::StatusOr<std::optional<RequestRow>> FindRequest(Connection& connection,
                                                      absl::string_view owner,
                                                      absl::string_view request_id) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT payload, job_uid, crc32c FROM requests "
                                      "WHERE owner = ?1 AND request_id = ?2"));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, owner).BindText(2, request_id).Step());
  if (!found) return std::optional<RequestRow>();
  RequestRow row{std::string(select.Text(0)), std::string(select.Text(1))};
  if (CrcOf(owner, request_id, row).Differs(select, 2)) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                           absl::StrCat("what is stored of request id '", request_id,
                                        "' is damaged: look in the list whether its job is there"));
  }
  return std::optional<RequestRow>(std::move(row));
}

absl::Status InsertRequest(Connection& connection, absl::string_view owner,
                           absl::string_view request_id, const RequestRow& row) {
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO requests (owner, request_id, payload, job_uid, crc32c) "
                         "VALUES (?1, ?2, ?3, ?4, ?5)"));
  insert.BindText(1, owner).BindText(2, request_id);
  insert.BindText(3, row.payload).BindText(4, row.job_uid);
  return insert.Bind(5, CrcOf(owner, request_id, row).masked()).Run();
}

}  // namespace skytrain
