#include "server/skytraind_service_manager.h"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skytrain {

void NotifyStatus(absl::string_view status) {
  sd_notify(0, absl::StrCat("STATUS=", status).c_str());
}

void NotifyReady() { sd_notify(0, "READY=1\nSTATUS=serving"); }

void NotifyStopping() { sd_notify(0, "STOPPING=1\nSTATUS=draining; running jobs go on"); }

Watchdog::Watchdog(std::function<void()> prove_alive) : prove_alive_(std::move(prove_alive)) {
  uint64_t limit_us = 0;
  if (sd_watchdog_enabled(0, &limit_us) <= 0) return;
  thread_ = std::thread([this, limit_us] { Loop(absl::Microseconds(limit_us) / 3); });
}

Watchdog::~Watchdog() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  stopped_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::Loop(absl::Duration interval) {
  while (true) {
    prove_alive_();
    sd_notify(0, "WATCHDOG=1");
    MutexLock lock(mu_);
    if (!stop_) stopped_.WaitFor(mu_, absl::ToChronoMilliseconds(interval));
    if (stop_) return;
  }
}

}  // namespace skytrain
