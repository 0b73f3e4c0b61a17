#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

struct sqlite3;

namespace skytrain {

// A layer over a sqlite3_vfs that finds damage of which SQLite, that keeps no checksums in its
// database, would make another answer.
//
// Each page ends with a seal of 8 bytes, which SQLite leaves free (the "reserved space" of the file
// format): the masked CRC-32C of the page's number and of the rest of the page, little-endian, and
// its complement. The seal is set when a page is written to the database file, and compared
// whenever one is read from there: a wrong one is SQLITE_CORRUPT. A page of nothing but zeros has
// no seal: SQLite leaves such holes for pages that it does not use. What the write-ahead log holds
// has SQLite's own checksums there (log_check.h).
//
// A database without reserved space, of an earlier skytrain or saved by `sqlite3 .dump`, is
// taken as it is, without seals.

inline constexpr int64_t kPageBytes = 8192;
inline constexpr int kSealBytes = 8;

// The name of the layer over the VFS `base` (empty: SQLite's default), registered at first use.
// Databases have pages of kPageBytes and are not memory-mapped. Thread-safe.
std::string CheckedVfs(const std::string& base);

// Whether the first bytes of the database file, by which SQLite finds all others, are as they must
// be; a file that is absent or empty is right. DATA_LOSS without a reason.
absl::Status CheckHeader(const std::string& database_path);

// The page whose seal was found wrong last on this connection; 0: none was.
int64_t DamagedPage(sqlite3* db);
// From now on this connection reads pages whatever their seal says.
void ReadDamagedPages(sqlite3* db);
// Seals a page as it is. An SQLite result code.
int SealPage(sqlite3* db, int64_t page);

}  // namespace skytrain
