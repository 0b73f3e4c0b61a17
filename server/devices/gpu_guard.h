#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "server/devices/device_monitor.h"

namespace skytrain {

// Knows which of the GPUs that no job of ours holds may be handed out: those that nobody else uses,
// and whose memory the last job has given back. Looks once a second on a thread of its own, since a
// driver in trouble may not answer. Thread-safe.
class GpuGuard {
 public:
  struct Options {
    absl::Duration look_interval = absl::Seconds(1);
    // How long a GPU may take to give back the memory of a job that has ended. After that it is
    // quarantined: not handed out until the memory is free, and said so.
    absl::Duration settle_timeout = absl::Seconds(30);
    // One line for the daemon's log. Any thread.
    std::function<void(absl::string_view line)> log;
  };
  // Why a GPU is not handed out.
  struct Trouble {
    std::string text;       // "in use by pid 4711 (python, user ben)". Empty: none.
    bool settling = false;  // It is a matter of seconds.
  };

  // Both must outlive the guard. Looks once before it returns.
  GpuGuard(DeviceMonitor& monitor, Clock& clock, Options options);
  ~GpuGuard();  // As Stop.

  // Begins to look; `on_change` is called, on the guard's thread, when a Trouble came or went.
  void Start(std::function<void()> on_change);
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // The job that held the GPU ("gpu:0") has ended, its processes are gone.
  void Released(absl::string_view gpu) ABSL_LOCKS_EXCLUDED(mu_);
  // Of a GPU that no job of ours holds. None for one that the monitor does not know.
  Trouble TroubleOf(absl::string_view gpu) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Gpu {
    GpuState state;
    // Not seen idle since its last job ended.
    bool settling = false;
    bool quarantined = false;
    absl::Duration released;  // Monotonic.
  };

  void Loop();
  // True: a Trouble came or went.
  bool Look() ABSL_LOCKS_EXCLUDED(mu_);
  // Of a GPU that was looked at at `looked` (monotonic).
  void Judge(int number, GpuState state, absl::Duration looked, Gpu& gpu) const;
  Trouble Describe(const Gpu& gpu) const;

  DeviceMonitor& monitor_;
  Clock& clock_;
  const Options options_;
  std::function<void()> on_change_;

  Mutex mu_;
  CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  bool look_now_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Gpu> gpus_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

// "pid 4711 (python, user ben)"; as much of it as /proc tells.
std::string DescribeProcess(int pid);

}  // namespace skytrain
