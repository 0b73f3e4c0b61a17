#include "server/store/self_check.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

// More damaged pages than that are a broken disk.
constexpr int kMaxMendedPages = 100;

struct Index {
  const char* name;
  const char* columns;
};

struct Table {
  const char* name;
  // What the checksum is over, in its order: the column that names the row's job, and the rest.
  // Without checksums: all columns.
  const char* key;
  const char* rest;
  bool has_checksums;
  // The table whose key is the same; null: none is.
  const char* same_key;
  std::vector<Index> indexes;
  // After a damaged page was mended: forgets what has no checksum. Null: nothing can be forgotten.
  const char* forget;
};

const std::vector<Table>& Tables() {
  static const auto& tables = *new std::vector<Table>{
      {"jobs",
       "uid",
       "state, last_seq, snapshot",
       true,
       "job_specs",
       {{"sqlite_autoindex_jobs_2", "id"}, {"jobs_by_state", "state"}, {"jobs_by_owner", "owner"}},
       nullptr},
      {"job_specs", "uid", "spec", true, "jobs", {}, "UPDATE job_specs SET flops = 0"},
      {"attempts", "job_uid", "number, attempt, rank_result", true, "jobs", {}, nullptr},
      {"spool_offsets", "job_uid", "number, file, offset", true, "jobs", {}, nullptr},
      {"requests", "owner", "request_id, payload, job_uid", true, nullptr, {}, nullptr},
      {"models",
       "model",
       "version, job_uid, owner, create_time, proto",
       true,
       nullptr,
       {{"sqlite_autoindex_models_2", "job_uid"}, {"models_by_time", "create_time"}},
       nullptr},
      {"datasets", "owner", "name, create_time, proto", true, nullptr, {}, nullptr},
      {"model_aliases", "model", "alias, version", true, nullptr, {}, nullptr},
      {"hook_deliveries",
       "hook",
       "job_uid, job_id, seq, create_time, payload",
       true,
       nullptr,
       {},
       nullptr},
      {"sqlite_sequence", "name", "seq", false, nullptr, {}, nullptr},
      {"blobs", "sha256", "size, create_time, use_time", false, nullptr, {}, nullptr},
      {"blob_owners", "owner", "sha256", false, nullptr, {}, nullptr},
      {"model_floors", "model", "version", false, nullptr, {}, nullptr},
      {"event_floors", "job_uid", "first_seq", false, nullptr, {}, nullptr},
      {"owner_usage", "owner", "seconds, time", false, nullptr, {}, "DELETE FROM owner_usage"},
      {"device_speeds", "kind", "flops", false, nullptr, {}, "DELETE FROM device_speeds"},
  };
  return tables;
}

// Over the columns of a row, with `key` in the place of its own.
std::string RowCrcOf(const Table& table, absl::string_view key) {
  return absl::StrCat(
      "row_crc(", key, ", ", table.name, ".",
      absl::StrReplaceAll(table.rest, {{", ", absl::StrCat(", ", table.name, ".")}}), ")");
}
std::string RowCrcOf(const Table& table) {
  return RowCrcOf(table, absl::StrCat(table.name, ".", table.key));
}

absl::StatusOr<int64_t> Count(Connection& connection, absl::string_view from_where) {
  ASSIGN_OR_RETURN(Statement count,
                   connection.Prepare(absl::StrCat("SELECT count(*) FROM ", from_where)));
  RETURN_IF_ERROR(count.Step().status());
  return count.Int(0);
}

// Reads the table and its indexes whole. How many rows fail their checksum.
absl::StatusOr<int64_t> DamagedRows(Connection& connection, const Table& table) {
  for (const Index& index : table.indexes) {
    RETURN_IF_ERROR(Count(connection, absl::StrCat(table.name, " INDEXED BY ", index.name,
                                                   " WHERE row_crc(", index.columns, ") < 0"))
                        .status());
  }
  return Count(
      connection,
      absl::StrCat(table.name, " WHERE ", RowCrcOf(table),
                   table.has_checksums ? absl::StrCat(" <> ", table.name, ".crc32c") : " < 0"));
}

// OK when SQLite finds every row of the table, and every entry of its indexes, in its place.
absl::Status CheckStructure(Connection& connection, const Table& table,
                            const absl::Status& damage) {
  ASSIGN_OR_RETURN(Statement check,
                   connection.Prepare(absl::StrCat("PRAGMA integrity_check(", table.name, ")")));
  const absl::StatusOr<bool> row = check.Step();
  return row.ok() && *row && check.Text(0) == "ok" ? absl::OkStatus() : damage;
}

// `damage`: the error that names the page.
absl::Status MendPage(Connection& connection, const std::string& path, const std::string& vfs,
                      const Table& table, const absl::Status& damage) {
  const int64_t page = connection.DamagedPage();
  if (page == 0 || !(table.has_checksums || table.forget != nullptr)) return damage;
  ASSIGN_OR_RETURN(const auto reader, Connection::Open(path, Connection::Mode::kReadOnly, vfs));
  reader->ReadDamagedPages();
  RETURN_IF_ERROR(CheckStructure(*reader, table, damage));
  RETURN_IF_ERROR(reader->SealPage(page));
  return table.forget == nullptr ? absl::OkStatus() : connection.Execute(table.forget);
}

// How many rows got their key back.
absl::StatusOr<int64_t> MendKeys(Connection& connection, const Table& table) {
  if (table.same_key == nullptr) return 0;
  RETURN_IF_ERROR(connection.Execute(
      absl::StrCat("UPDATE OR IGNORE ", table.name, " SET ", table.key, " = other.uid FROM ",
                   table.same_key, " AS other WHERE ", RowCrcOf(table), " <> ", table.name,
                   ".crc32c AND ", RowCrcOf(table, "other.uid"), " = ", table.name, ".crc32c")));
  return connection.Changes();
}

}  // namespace

absl::Status CheckAndMend(Connection& connection, const std::string& path, const std::string& vfs,
                          const std::function<void(absl::string_view)>& log) {
  int pages = 0;
  for (const Table& table : Tables()) {
    absl::StatusOr<int64_t> damaged = DamagedRows(connection, table);
    for (; ReasonOf(damaged.status()) == "STORE_CORRUPT" && pages < kMaxMendedPages; ++pages) {
      RETURN_IF_ERROR(MendPage(connection, path, vfs, table, damaged.status()));
      log(absl::StrCat("database: page ", connection.DamagedPage(), " of ", path, ", of the ",
                       table.name, ", failed its checksum: a bit of it was flipped on disk. All ",
                       "rows are in their places",
                       table.forget == nullptr ? ""
                                               : "; what they say of usage and speed was "
                                                 "forgotten"));
      damaged = DamagedRows(connection, table);
    }
    RETURN_IF_ERROR(damaged.status());
    if (*damaged == 0) continue;
    ASSIGN_OR_RETURN(const int64_t mended, MendKeys(connection, table));
    log(absl::StrCat("database: ", *damaged, " rows of the ", table.name, " in ", path,
                     " fail their checksum; ", mended, " of them got their key back, by which ",
                     "they are whole"));
  }
  return absl::OkStatus();
}

}  // namespace skytrain
