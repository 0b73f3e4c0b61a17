#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/attempt/attempt_dir.h"
#include "common/clock.h"
#include "common/spool/spool.h"
#include "server/shepherd/cgroup.h"
#include "server/shepherd/control_watch.h"
#include "server/shepherd/log_capture.h"
#include "server/shepherd/rank_process.h"
#include "server/shepherd/run_limits.h"
#include "server/shepherd/verdict.h"

namespace skytrain {

using ShepherdCgroup = std::optional<absl::StatusOr<std::unique_ptr<Cgroup>>>;

// Runs one attempt from claim to exit record, in this process and on this thread:
//  1. Takes the lock, creates the claim. Without both it returns an error, and nothing was started.
//  2. Reserves exit.binpb, opens shepherd.spool, reads attempt.binpb.
//  3. Spawns the ranks in one process group of their own.
//  4. Until no rank is left: moves their output into the spool; looks at control.binpb once a
//  second
//     and when a signal says so; watches the limits; passes requests on; after the grace kills.
//  5. Writes exit.binpb.
// Signals: SIGTERM, SIGUSR1: look. SIGINT: stop (a run by hand). They must be blocked in the whole
// process before Run().
class Shepherd {
 public:
  // `cgroup`: what became of making a group for another user's ranks before this process became
  // that user; not set: Run makes one for itself.
  Shepherd(AttemptDir dir, Clock& clock, ShepherdCgroup cgroup = std::nullopt);
  ~Shepherd();

  // OK when the exit record is written.
  absl::Status Run();

 private:
  enum class Phase { kRunning, kStopping, kKilled };

  // Steps of Run().
  absl::Status Claim();
  absl::Status Prepare();
  absl::Status StartRanks();
  void MakeCgroup();
  absl::Status Watch();
  absl::Status WriteEnd(internal::v1::ExitRecord record);
  internal::v1::ExitRecord Collect();

  absl::Status SetUpEvents();
  absl::Status AddEvent(int fd, uint64_t token);
  void HandleEvent(uint64_t token);
  void HandleSignal();
  void Look();
  void CheckLimits();
  // limits.memory_bytes, where no control group holds it.
  void CheckMemory();
  void RankLeft(size_t index);
  void RequestStop(internal::v1::Control::Cause cause, absl::string_view why);
  void KillRanks();
  void SayUndead();
  void SignalRanks(int signal);
  uint64_t RankSpoolBytes() const;
  size_t RanksLeft() const;
  absl::Duration UntilNextLook() const;
  void Say(absl::string_view text);

  AttemptDir dir_;
  Clock& clock_;
  ControlWatch control_;
  internal::v1::AttemptSpec spec_;
  std::unique_ptr<SpoolWriter> spool_;
  std::unique_ptr<RunLimits> limits_;
  std::vector<std::unique_ptr<RankProcess>> ranks_;
  std::vector<std::unique_ptr<LogCapture>> logs_;  // Two per rank: stdout, stderr.
  std::vector<bool> left_;                         // By rank.
  ShepherdCgroup given_cgroup_;
  std::unique_ptr<Cgroup> cgroup_;  // Null: none could be had.
  RunOutcome outcome_;
  Phase phase_ = Phase::kRunning;
  uint64_t oom_kills_ = 0;         // At the last look,
  uint64_t oom_kills_before_ = 0;  // and at the one before: a victim takes a while to leave.
  absl::Duration last_look_;
  absl::Duration killed_at_;
  bool told_undead_ = false;
  int lock_fd_ = -1;
  int epoll_fd_ = -1;
  int signal_fd_ = -1;
};

// Signals that Shepherd reads; blocks them in the calling thread (and so in later threads).
void BlockShepherdSignals();

}  // namespace skytrain
