#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/attempt/attempt_dir.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "server/events/folder_watcher.h"
#include "server/events/spool_tailer.h"
#include "server/jobs/attempt_verdict.h"
#include "server/jobs/job_journal.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/launcher.h"

namespace skytrain {

// What every attempt is run with.
struct AttemptEnvironment {
  const JobManager::Options& options;
  Database& database;
  Launcher& launcher;
  FileSystem& fs;
  Clock& clock;

  void Log(absl::string_view line) const {
    if (options.log) options.log(line);
  }
};

// What an attempt's processes have written to its spools and is not stored yet. Thread-safe.
class SpoolBacklog {
 public:
  explicit SpoolBacklog(AttemptDir dir) : dir_(std::move(dir)) {}
  void SetStored(uint64_t bytes) { stored_ = bytes; }
  // Looks at the folder; 0 where it cannot.
  int64_t Bytes() const;

 private:
  const AttemptDir dir_;
  std::atomic<uint64_t> stored_{0};
};

// Sees one attempt through, from the committed STARTING to the committed end, on a thread of its
// own:
//   1. Make the folder, launch (kLaunch); or take up what an earlier daemon began (kAdopt).
//   2. Follow: store the spools' new frames, pass on the wish to stop, until the exit record is
//      there, or no process is left.
//   3. Read the spools to the sizes that the exit record names.
//   4. Publish the model, and commit the attempt's end together with the job's next state. Learn
//      from a success how fast the node is.
// Everything that is known of the attempt is in its folder and in the database, so an attempt can
// be left at any point (Stop) and taken up by kAdopt.
class AttemptSupervisor {
 public:
  enum class Begin { kLaunch, kAdopt };
  // Supervises the newest attempt of `journal`'s job. `on_done` is called on the thread when the
  // end is committed, not after Stop.
  AttemptSupervisor(Begin begin, std::shared_ptr<JobJournal> journal,
                    const AttemptEnvironment& environment, std::function<void()> on_done);
  ~AttemptSupervisor();  // As Stop.

  // Look at the job's state: it may be STOPPING now. Any thread.
  void Wake() { watcher_.Wake(); }
  // Lives on when this dies.
  std::shared_ptr<const SpoolBacklog> backlog() const { return backlog_; }
  // Leaves the attempt as it is and waits for the thread.
  void Stop();

 private:
  void Run();
  // nullopt: launched, follow it. Else it ended before it began.
  std::optional<AttemptVerdict> Launch();
  std::optional<AttemptVerdict> Adopt();
  // nullopt: stopped.
  std::optional<AttemptVerdict> Follow();
  std::optional<AttemptVerdict> CheckClaim(absl::Duration now);
  std::optional<AttemptVerdict> CheckProcesses(absl::Duration now);
  std::optional<AttemptVerdict> Settle(const internal::v1::ExitRecord& exit);
  void PassOnStop();
  // limits.grace of the attempt.
  absl::Duration Grace() const;
  // Says so, once, when processes are left long after they should have been killed.
  void TellUndead(absl::Duration now);
  // How far the spools are stored. A damaged offset is forgotten, with a Gap: its spool is read
  // anew. False: try again later.
  bool LoadOffsets(SpoolTailer::Offsets& offsets);
  // Appends a Gap. False when it could not be stored.
  bool TellGap(const std::string& reason);
  // Stores what is new. False when it could not be stored: try again later.
  bool Ingest();
  // The same with further tries, for settle_timeout at most.
  void IngestRest();
  // False: stopped before the end was committed.
  bool End(AttemptVerdict verdict);

  bool Claim(absl::string_view reason);
  bool Stopped() const { return stopped_.load(); }
  // Sleeps through changes of the folder, not through Stop.
  void Pause(absl::Duration time);

  const Begin begin_;
  const std::shared_ptr<JobJournal> journal_;
  const AttemptEnvironment environment_;
  const std::function<void()> on_done_;
  const int number_;
  AttemptDir dir_;
  const std::shared_ptr<SpoolBacklog> backlog_;
  FolderWatcher watcher_;
  std::unique_ptr<SpoolTailer> tailer_;

  absl::Duration follow_since_;
  absl::Duration processes_checked_;
  absl::Duration committed_ = -absl::InfiniteDuration();  // When frames were stored last.
  std::optional<internal::v1::Claim> claim_;
  std::optional<absl::Duration> stop_passed_on_;  // When.
  bool told_undead_ = false;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace skytrain
