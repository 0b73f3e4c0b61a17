#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "common/attempt/attempt_dir.h"
#include "server/training/loop/run_control.h"
#include "skytrain/internal/v1/attempt.pb.h"

namespace skytrain {

// Blocks SIGTERM, SIGINT and SIGUSR1 in this thread and in all that it starts. First thing in main.
void BlockControlSignals();

// A thread that turns signals and control.binpb into `control`:
//   SIGUSR1            look at control.binpb
//   SIGTERM, SIGINT    look; when there is nothing new in it, stop (a worker run by hand)
//   once a second      look: a signal may have come before this process could take it
// Signals arrive through a signalfd, so no handler ever interrupts the training thread.
class ControlWatcher {
 public:
  static absl::StatusOr<std::unique_ptr<ControlWatcher>> Start(const AttemptDir& dir,
                                                               training::RunControl& control);
  ~ControlWatcher();

 private:
  ControlWatcher(const AttemptDir& dir, training::RunControl& control, int signal_fd, int wake_fd);
  void Run();
  bool Look();  // True when control.binpb had a new generation.

  const AttemptDir& dir_;
  training::RunControl& control_;
  const int signal_fd_;
  const int wake_fd_;
  int64_t seen_generation_ = 0;  // Only Run and, before it, Start.
  std::thread thread_;
};

}  // namespace skytrain
