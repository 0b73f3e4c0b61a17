#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/attempt/attempt_dir.h"
#include "common/mutex.h"
#include "common/spool/spool.h"
#include "server/jobs/launcher.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// What a script does in place of shepherd and rank 0: it writes the attempt folder as they would,
// on a thread of the launcher. Methods abort the test process on errors of the disk.
class FakeRun {
 public:
  FakeRun(const AttemptDir& dir, const std::function<bool()>& stopped,
          FileSystem& fs = FileSystem::Posix());
  ~FakeRun();

  const AttemptDir& dir() const { return dir_; }
  // False when the folder is claimed already: a shepherd then leaves.
  bool Claim();
  // As a shepherd that is gone by now: its process can no longer be found.
  bool ClaimAsDead();
  // As a process of an earlier boot.
  bool ClaimBeforeReboot();
  void TakeLock();
  void DropLock();
  void StartRank(int64_t resumed_from_step = 0);
  void Emit(v1::Event event);
  void Sync();  // Of the spool.
  void Metric(absl::string_view name, int64_t step, double value);
  void Result(v1::AttemptEnd end, absl::string_view message = "");
  // A whole checkpoint, or one whose weights differ from their digest.
  void Checkpoint(int64_t step, bool whole = true);
  void Model();
  // The exit record, naming the present sizes of the spools, or as if there were `missing_bytes`
  // more of each that never arrive; drops the lock.
  void Exit(v1::AttemptEnd end, absl::string_view message = "", int signal = 0,
            int64_t missing_bytes = 0);
  // Bytes that reach a spool after Exit.
  void WriteAfterEnd(absl::string_view name, int64_t step);
  // Waits for control.binpb to want a stop; false when the launcher is taken down first.
  bool WaitForStop();
  // Waits for `condition`; false when the launcher is taken down first.
  bool WaitUntil(const std::function<bool()>& condition);

 private:
  bool ClaimWith(const internal::v1::ProcessId& process);
  SpoolWriter& Spool();

  FileSystem& fs_;
  const AttemptDir dir_;
  const std::function<bool()> stopped_;
  std::unique_ptr<SpoolWriter> spool_;
  int lock_fd_ = -1;
};

// A Launcher whose attempts follow scripts: the n-th launch runs the n-th script. Launches beyond
// the last script do nothing (a shepherd that never started). Thread-safe.
class FakeLauncher : public Launcher {
 public:
  using Script = std::function<void(FakeRun&)>;
  // Scripts write through `fs`.
  explicit FakeLauncher(FileSystem& fs = FileSystem::Posix()) : fs_(fs) {}
  ~FakeLauncher() override;

  void Then(Script script);
  // The next launch fails with `error`, and starts nothing.
  void ThenFail(absl::Status error);

  absl::Status Launch(const AttemptDir& attempt, const Account* run_as) override;
  absl::Status Poke(const AttemptDir& attempt) override;

  int launches();
  int pokes();

 private:
  FileSystem& fs_;
  struct Step {
    absl::Status error;
    Script script;
  };
  Mutex mu_;
  std::deque<Step> steps_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  int launches_ ABSL_GUARDED_BY(mu_) = 0;
  int pokes_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

// Scripts that many tests need.
// Claims, trains one step with "train/loss" = `loss`, writes a model, completes.
FakeLauncher::Script TrainOneStep(double loss);
// Claims, starts, trains until it is asked to stop, then stops.
FakeLauncher::Script TrainUntilStopped();

}  // namespace skytrain
