#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace skytrain {

// A prepared statement in use. Reset when it dies, so no read cursor outlives its scope (a held
// cursor lets the write-ahead log grow without bound). Text and blobs are bound by reference: they
// must live until the last Step.
class Statement {
 public:
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Parameters and columns count as SQLite counts them: parameters from 1, columns from 0. An error
  // of Bind shows at Step.
  Statement& Bind(int parameter, int64_t value);
  Statement& BindText(int parameter, absl::string_view value);
  Statement& BindBlob(int parameter, absl::string_view value);

  // True: there is a row. False: done.
  absl::StatusOr<bool> Step();
  // Steps to the end; for statements without rows.
  absl::Status Run();
  // Steps to the end: the first column of every row.
  absl::StatusOr<std::vector<std::string>> Texts();

  // Of the current row; views are valid until the next Step.
  bool IsNull(int column) const;
  int64_t Int(int column) const;
  absl::string_view Text(int column) const;
  absl::string_view Blob(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int bind_error_ = 0;
};

// One SQLite connection. Not thread-safe. Errors: RESOURCE_EXHAUSTED (STORE_FULL) for a full disk,
// DATA_LOSS (STORE_CORRUPT; also for a page that fails its checksum, see checked_vfs.h),
// ALREADY_EXISTS for a broken uniqueness constraint, INTERNAL for the rest. SQL has the function
// row_crc(…), of row_crc.h.
class Connection {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  // kReadWrite creates the file, and sets WAL and synchronous=FULL. `vfs`: as in Database::Options.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, Mode mode,
                                                          const std::string& vfs = "");
  // What must hold before the first connection opens the database at `path`, since SQLite would
  // make something else of it: the file's header, and a log that is whole as far as it was synced.
  // DATA_LOSS (STORE_CORRUPT).
  static absl::Status CheckFiles(const std::string& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One or more statements without parameters or results.
  absl::Status Execute(const std::string& sql);
  // Whatever the write-ahead log holds stays there when this connection closes: nothing in the
  // folder changes, provided that nothing was written.
  void LeaveUntouched();
  // The page that failed its checksum last; 0: none did.
  int64_t DamagedPage() const;
  // From now on pages are read whatever their checksums say.
  void ReadDamagedPages();
  // Makes the checksum of a page that of what it holds, on disk.
  absl::Status SealPage(int64_t page);
  // Compiled once for each `sql` and kept. One Statement of the same `sql` at a time.
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // Rows that the last INSERT, UPDATE or DELETE changed.
  int64_t Changes() const;
  // False after an error that made SQLite roll the whole transaction back.
  bool InTransaction() const;

 private:
  explicit Connection(sqlite3* db) : db_(db) {}
  sqlite3* db_;
  absl::flat_hash_map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace skytrain
