#include "server/store/connection.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/store/checked_vfs.h"
#include "server/store/log_check.h"
#include "server/store/row_crc.h"

namespace skytrain {
namespace {

// `path` may be empty.
absl::Status Corrupt(absl::string_view what, absl::string_view path) {
  if (path.empty()) return ErrorWithReason(absl::StatusCode::kDataLoss, "STORE_CORRUPT", what);
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "STORE_CORRUPT",
      absl::StrCat("database: ", what,
                   ": stop skytraind and keep a copy of its folder; then restore a backup, or save "
                   "what can be read with  sqlite3 ",
                   path,
                   " .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 -cmd 'PRAGMA page_size=8192' "
                   "saved.db , put saved.db in its place and remove ",
                   path,
                   "-wal. Attempts, checkpoints and models are files of their own and are not "
                   "touched"));
}

absl::Status CorruptError(sqlite3* db, absl::string_view message) {
  const char* file = db != nullptr ? sqlite3_db_filename(db, "main") : nullptr;
  const std::string path = file != nullptr ? file : "";
  const int64_t page = db != nullptr ? DamagedPage(db) : 0;
  if (page == 0) return Corrupt(absl::StrCat(message, " in ", path), path);
  return Corrupt(absl::StrCat("page ", page, " of ", path, " fails its checksum"), path);
}

absl::Status ErrorOf(sqlite3* db, int code) {
  const std::string message =
      absl::StrCat("database: ", db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  const int extended = db != nullptr ? sqlite3_extended_errcode(db) : code;
  if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC) {
    return ErrorWithReason(absl::StatusCode::kInternal, "STORE_SYNC_FAILED", message);
  }
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, "STORE_FULL",
                             "the disk of the state folder is full");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return CorruptError(db, db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      bind_error_(other.bind_error_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::Bind(int parameter, int64_t value) {
  if (const int code = sqlite3_bind_int64(statement_, parameter, value); code != SQLITE_OK) {
    bind_error_ = code;
  }
  return *this;
}

Statement& Statement::BindText(int parameter, absl::string_view value) {
  const int code = sqlite3_bind_text64(statement_, parameter, value.data(), value.size(),
                                       SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::BindBlob(int parameter, absl::string_view value) {
  // A null pointer would bind NULL instead of an empty blob.
  const char* data = value.data() != nullptr ? value.data() : "";
  const int code = sqlite3_bind_blob64(statement_, parameter, data, value.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_error_ != 0) return ErrorOf(nullptr, bind_error_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ErrorOf(db_, code);
}

absl::Status Statement::Run() {
  while (true) {
    ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

absl::StatusOr<std::vector<std::string>> Statement::Texts() {
  std::vector<std::string> texts;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return texts;
    texts.emplace_back(Text(0));
  }
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

absl::string_view Statement::Text(int column) const {
  const auto* text = sqlite3_column_text(statement_, column);
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

absl::string_view Statement::Blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_, column);
  return {static_cast<const char*>(blob),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Mode mode,
                                                             const std::string& vfs) {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (mode == Mode::kReadWrite ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, CheckedVfs(vfs).c_str());
  if (code != SQLITE_OK) {
    absl::Status error(absl::StatusCode::kInternal, absl::StrCat(path, ": ", sqlite3_errstr(code)));
    sqlite3_close(db);
    return error;
  }
  std::unique_ptr<Connection> connection(new Connection(db));
  RegisterRowCrc(db);
  sqlite3_busy_timeout(db, 10'000);
  // Counts for a database that is new.
  if (int reserved = kSealBytes; mode == Mode::kReadWrite) {
    sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  }
  // The log is moved into the database every 16 MiB; a reader that holds it up may let it grow, and
  // afterwards it is cut back to 64 MiB.
  RETURN_IF_ERROR(connection->Execute(
      mode == Mode::kReadWrite
          ? "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA wal_autocheckpoint=2048; PRAGMA journal_size_limit=67108864;"
            "PRAGMA cache_size=-8192; PRAGMA foreign_keys=OFF;"
          : "PRAGMA query_only=ON; PRAGMA cache_size=-1024;"));
  return connection;
}

absl::Status Connection::CheckFiles(const std::string& path) {
  for (const absl::Status& checked : {CheckHeader(path), CheckLog(path)}) {
    if (!checked.ok()) return Corrupt(checked.message(), path);
  }
  return absl::OkStatus();
}

int64_t Connection::DamagedPage() const { return skytrain::DamagedPage(db_); }

void Connection::ReadDamagedPages() { skytrain::ReadDamagedPages(db_); }

absl::Status Connection::SealPage(int64_t page) {
  const int code = skytrain::SealPage(db_, page);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(db_, code);
}

Connection::~Connection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

absl::Status Connection::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(db_, code);
}

void Connection::LeaveUntouched() {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

absl::StatusOr<Statement> Connection::Prepare(absl::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    return Statement(db_, found->second);
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return ErrorOf(db_, code);
  statements_.emplace(sql, statement);
  return Statement(db_, statement);
}

int64_t Connection::Changes() const { return sqlite3_changes64(db_); }

bool Connection::InTransaction() const { return sqlite3_get_autocommit(db_) == 0; }

}  // namespace skytrain
