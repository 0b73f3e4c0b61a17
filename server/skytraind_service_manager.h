#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace skytrain {

// What a service manager that started us (systemd, Type=notify) is told; nothing happens without
// one. Thread-safe.
void NotifyStatus(absl::string_view status);  // One line for `systemctl status`.
void NotifyReady();
void NotifyStopping();

// Tells the service manager again and again that the daemon works, when it asked for that
// (WatchdogSec). When `prove_alive` hangs, it is no longer told and restarts the daemon.
class Watchdog {
 public:
  // `prove_alive` runs on the watchdog's thread and returns when everything that matters moved.
  explicit Watchdog(std::function<void()> prove_alive);
  ~Watchdog();  // Waits for a `prove_alive` that is under way.

 private:
  void Loop(absl::Duration interval) ABSL_LOCKS_EXCLUDED(mu_);

  const std::function<void()> prove_alive_;
  Mutex mu_;
  CondVar stopped_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace skytrain
