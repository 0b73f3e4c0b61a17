#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"

namespace skytrain {

// What a database is checked for when it is opened, and mended of: every page and every row but
// those of the events, which may be gigabytes and are checked as they are read.
//
// - A page that fails its checksum, in a table whose rows have checksums of their own, in which
//   SQLite finds every row in its place: taken as it is, and the rows say which of them is damaged.
// - The same among numbers that can be measured anew (usage, speeds): they are forgotten.
// - A row whose key is damaged, which its checksum proves by a key that another table has: gets
//   that key.
// - All else cannot be known: DATA_LOSS (STORE_CORRUPT), and the database is not to be used.
//
// `log` is told of everything mended, `path` and `vfs` are those of `connection`, which must be the
// only user of the database. A row that stays damaged is the business of who reads it.
absl::Status CheckAndMend(Connection& connection, const std::string& path, const std::string& vfs,
                          const std::function<void(absl::string_view)>& log);

}  // namespace skytrain
