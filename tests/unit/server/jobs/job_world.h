#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "gtest/gtest.h"
#include "server/events/event_hub.h"
#include "server/events/event_log.h"
#include "server/jobs/job_manager.h"
#include "server/store/database.h"
#include "skytrain/v1/event.pb.h"
#include "tests/support/fake_launcher.h"
#include "tests/support/temp_dir.h"

namespace skytrain {

// A daemon's inside without its outside: store, events and jobs over a folder of their own, with
// scripted attempts. Restart() leaves everything as a killed daemon would and starts anew on it.
class JobWorld {
 public:
  JobWorld();  // In a folder of its own.
  // In `path`, on a disk as `fs` and the sqlite3_vfs `vfs` make it.
  JobWorld(std::string path, FileSystem& fs, std::string vfs);
  ~JobWorld();

  void Stop();
  void Start();
  // Start for tests in which it may fail.
  absl::Status TryStart();
  void Restart();

  // From the next Start on; the scripts of attempts keep theirs. `fs` must outlive Stop.
  void SetDaemonFileSystem(FileSystem& fs) { daemon_fs_ = &fs; }
  // As Database::Options::on_fatal, from the next Start on.
  void SetOnFatal(std::function<void(const absl::Status&)> on_fatal) {
    on_fatal_ = std::move(on_fatal);
  }
  // From the next Start on; must outlive Stop.
  void SetClock(Clock& clock) { clock_ = &clock; }
  // Called by each Start with the open database, before any job is taken up.
  void OnOpen(std::function<void(Database&)> on_open) { on_open_ = std::move(on_open); }
  JobManager::Options& options() { return options_; }  // Take effect at the next Start.
  JobManager& jobs() { return *jobs_; }
  FakeLauncher& launcher() { return *launcher_; }
  Database& database() { return *database_; }
  EventHub& hub() { return *hub_; }
  const std::string& path() const { return path_; }

  // A small valid request; `id` as job_id.
  static v1::CreateJobRequest Request(const std::string& id);
  v1::Job Create(const std::string& id);
  v1::Job Get(const std::string& id);
  // Waits until the job is as `condition` wants it; fails the test after 20 s.
  v1::Job WaitUntil(const std::string& id, const std::function<bool(const v1::Job&)>& condition);
  v1::Job WaitForState(const std::string& id, v1::JobState state);
  v1::Job WaitForEnd(const std::string& id);
  // All committed events, checked to be numbered without a gap.
  std::vector<v1::Event> Events(const std::string& uid);
  std::string AttemptFolder(const v1::Job& job, int number) const;

  static const Caller kAna;

 private:
  std::unique_ptr<TempDir> dir_;
  const std::string path_;
  FileSystem& fs_;
  FileSystem* daemon_fs_ = &FileSystem::Posix();
  const std::string vfs_;
  std::function<void(const absl::Status&)> on_fatal_;
  Clock* clock_ = &Clock::Real();
  std::function<void(Database&)> on_open_;
  JobManager::Options options_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<EventHub> hub_;
  std::unique_ptr<FakeLauncher> launcher_;
  std::unique_ptr<JobManager> jobs_;
};

// A script that goes on step by step as the test says.
class Steps {
 public:
  void Allow(int step) { allowed_ = step; }
  void Await(FakeRun& run, int step) {
    run.WaitUntil([this, step] { return allowed_ >= step; });
  }

 private:
  std::atomic<int> allowed_{0};
};

int CountMetrics(const std::vector<v1::Event>& events);
std::vector<std::string> GapsOf(const std::vector<v1::Event>& events);

}  // namespace skytrain
