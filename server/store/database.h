#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "server/store/connection.h"

namespace skytrain {

// The daemon's database: one writer thread with group commit, readers on connections of their own.
// Thread-safe.
//
// A Write returns when its changes are synced to disk. Writes that wait together share one commit
// (an fsync costs milliseconds): those of kControl first, then kBulk up to about 1 MiB, so that a
// submit never waits behind telemetry for longer than that. Each write is a savepoint: when one
// fails, its own changes alone are undone.
class Database {
 public:
  enum class Priority { kControl, kBulk };
  struct Options {
    std::string path;
    // Space set aside for control writes on a full disk; empty: none. See StateDir::BallastPath.
    std::string ballast_path;
    int64_t ballast_bytes = 64 << 20;
    // Called once, on the writer thread, when a sync failed: what is on disk is then unknown, and
    // the process has to end. Default: says so on stderr and aborts.
    std::function<void(const absl::Status&)> on_fatal;
    // How long a group commit took, on the writer thread: short, non-blocking. May be empty.
    std::function<void(absl::Duration)> on_commit;
    // Told of each damage that was found and mended when the database was opened. May be empty.
    std::function<void(absl::string_view)> log;
    // How SQLite reaches its files: the name of a registered sqlite3_vfs. Empty: as it does.
    std::string vfs;
  };

  // Opens or creates, migrates to the newest schema, and looks for damage (self_check.h).
  // FAILED_PRECONDITION (STORE_TOO_NEW) when a newer skytrain wrote the database, DATA_LOSS
  // (STORE_CORRUPT) when it is damaged; both leave it as it is. Take StateDir's lock first.
  static absl::StatusOr<std::unique_ptr<Database>> Open(Options options);
  ~Database();  // Finishes the writes that wait.

  // Runs `change` on the writer thread and commits. `bytes`: about how much it writes. Returns the
  // error of `change` (nothing of it is then stored), or of the commit. Blocks for milliseconds.
  absl::Status Write(Priority priority, const std::function<absl::Status(Connection&)>& change,
                     int64_t bytes = 0);
  // Runs `query` within a read transaction on a connection of the pool: it sees one consistent
  // state. Keep it short: copy out, then work.
  absl::Status Read(const std::function<absl::Status(Connection&)>& query);

  // True while the disk is full and the ballast is given up: creating jobs should be refused. Tries
  // to get the ballast back.
  bool IsFull();

 private:
  struct PendingWrite;
  explicit Database(Options options);
  void WriterLoop();
  std::vector<PendingWrite*> NextGroup() ABSL_LOCKS_EXCLUDED(mu_);
  void CommitGroup(std::vector<PendingWrite*> group) ABSL_LOCKS_EXCLUDED(mu_);
  // All changes of `group` in one transaction; each gets its result. An error: nothing is stored.
  absl::Status TryCommit(const std::vector<PendingWrite*>& group);
  bool ReserveBallast() ABSL_LOCKS_EXCLUDED(mu_);
  bool ReleaseBallast() ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  std::unique_ptr<Connection> writer_;  // Used by the writer thread only, once it runs.

  Mutex mu_;
  CondVar work_;
  CondVar done_;
  std::deque<PendingWrite*> control_ ABSL_GUARDED_BY(mu_);
  std::deque<PendingWrite*> bulk_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Connection>> idle_readers_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  bool full_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace skytrain
