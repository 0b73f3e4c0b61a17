#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace skytrain {

// One change that SQLite makes to the files of a database: the database itself, its "-wal",
// "-journal" and "-shm".
struct VfsOperation {
  enum class Kind {
    kCreate,    // xOpen of a file that was not there.
    kWrite,     // `bytes` at `offset`.
    kTruncate,  // To `offset` bytes.
    kSync,      // The content of `path`.
    kSyncDir,   // The names in the folder `path`; SQLite does so with the first sync of a log and
                // with some deletions. Cannot be made to fail.
    kDelete,
    kShmMap,  // The "-shm" file grows so that the region that begins at `offset` fits.
  };
  Kind kind;
  std::string path;  // Absolute.
  int64_t offset = 0;
  absl::string_view bytes = {};  // Valid during the call only.
};

// Sees each change before and after it is made. Called on whatever thread uses the database, with
// SQLite's locks held: must not use a database itself.
class VfsObserver {
 public:
  virtual ~VfsObserver() = default;
  // Anything but SQLITE_OK (0) keeps `operation` from being made, and is its result: SQLITE_FULL,
  // SQLITE_IOERR_FSYNC, …
  virtual int Before(const VfsOperation& operation) { return 0; }
  // `operation` succeeded.
  virtual void After(const VfsOperation& operation) {}
};

// A sqlite3_vfs over the system's own that tells an observer of each change and hands the rest
// through. Give its name to Database::Options::vfs. Temporary files of SQLite are not told of. Must
// outlive the databases that use it.
class VfsShim {
 public:
  // `name` must not be in use by another one.
  VfsShim(std::string name, VfsObserver& observer);
  ~VfsShim();
  VfsShim(const VfsShim&) = delete;
  VfsShim& operator=(const VfsShim&) = delete;

  const std::string& name() const { return name_; }

 private:
  struct Vfs;
  const std::string name_;
  const std::unique_ptr<Vfs> vfs_;
};

}  // namespace skytrain
