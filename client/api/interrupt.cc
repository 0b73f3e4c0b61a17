#include "client/api/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <utility>

#include "absl/time/clock.h"

namespace skytrain::client {

constexpr int kInterruptedExit = 130;

void Interrupt::CatchSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([this, signals] {
    int signal = 0;
    while (sigwait(&signals, &signal) == 0) {
      if (raised()) _exit(kInterruptedExit);
      Raise();
    }
  }).detach();
}

void Interrupt::Raise() {
  MutexLock lock(mu_);
  raised_ = true;
  for (auto& [id, stop] : hooks_) stop();
  changed_.NotifyAll();
}

bool Interrupt::Sleep(absl::Duration duration) {
  const absl::Time until = absl::Now() + duration;
  MutexLock lock(mu_);
  while (!raised()) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return true;
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
  }
  return false;
}

Interrupt::Hook::Hook(Interrupt& interrupt, std::function<void()> stop) : interrupt_(interrupt) {
  MutexLock lock(interrupt_.mu_);
  id_ = interrupt_.next_id_++;
  if (interrupt_.raised()) stop();
  interrupt_.hooks_.emplace(id_, std::move(stop));
}

Interrupt::Hook::~Hook() {
  MutexLock lock(interrupt_.mu_);
  interrupt_.hooks_.erase(id_);
}

}  // namespace skytrain::client
