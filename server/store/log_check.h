#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace skytrain {

// SQLite reads its write-ahead log after a crash up to the first frame whose checksum is wrong: for
// it, a damaged frame is where the log ends, and every commit from there on is gone without a word.
// So how far the log was synced is noted beside it (FILE-wal-synced: the log's salt, the end of its
// last synced commit, a CRC), after each sync and without a sync of its own, which is enough to
// tell damage from a commit that a crash cut short: what the note says is true whenever it can be
// read, and a note that is old or lost only claims less.

// Keeps the note of the log at `log_path`, from what is written to the log. Not thread-safe.
class LogNote {
 public:
  explicit LogNote(std::string log_path);

  // Before `bytes` are written at `offset`.
  void Writing(absl::string_view bytes, int64_t offset);
  void Synced();
  // The log is empty: an old note must not be taken for one of the next log.
  void Remove();

 private:
  struct Mark {
    std::string salt;  // 8 bytes, as in the log.
    int64_t end = 0;   // Of the last commit, in bytes.
    bool operator==(const Mark&) const = default;
  };
  void Write(const Mark& mark);

  const std::string path_;
  Mark written_;  // To the log.
  Mark noted_;
};

// Whether the log beside `database_path` is whole as far as it was synced. Before the first
// connection opens the database, and with no other process using it. DATA_LOSS without a reason,
// naming the log and its frame.
absl::Status CheckLog(const std::string& database_path);

}  // namespace skytrain
