#pragma once

#include <atomic>
#include <functional>
#include <map>

#include "absl/time/time.h"
#include "common/mutex.h"

namespace skytrain::client {

// Turns Ctrl-C (SIGINT, SIGTERM) into a flag and a call of what must be stopped; a second one ends
// the program at once. Thread-safe.
class Interrupt {
 public:
  Interrupt() = default;
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Blocks both signals in this thread and those made later, and waits for them in a thread that
  // lives as long as the program. Call it before any other thread starts, on an object that is
  // never destroyed.
  void CatchSignals();

  // As if Ctrl-C had been pressed.
  void Raise() ABSL_LOCKS_EXCLUDED(mu_);
  bool raised() const { return raised_.load(); }

  // False when interrupted before `duration` was over.
  bool Sleep(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mu_);

  // Runs `stop` on interruption, at once when it has happened already, for as long as the object
  // lives. `stop` must not use this class.
  class Hook {
   public:
    Hook(Interrupt& interrupt, std::function<void()> stop);
    ~Hook();
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;

   private:
    Interrupt& interrupt_;
    int id_;
  };

 private:
  std::atomic<bool> raised_{false};
  Mutex mu_;
  CondVar changed_;
  int next_id_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<int, std::function<void()>> hooks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain::client
