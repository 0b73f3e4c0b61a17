#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"

namespace skytrain {

// A few threads for whatever may block: gRPC's own threads never do. Thread-safe.
class Executor {
 public:
  // `max_waiting`: how many tasks of TrySubmit may wait.
  Executor(int threads, size_t max_waiting);
  ~Executor();  // Runs what waits, then joins.

  // False, and nothing happens, when too much waits already: for new requests.
  bool TrySubmit(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mu_);
  // Always accepted: for the next step of a call that is under way (at most one each).
  void Submit(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  const size_t max_waiting_;
  Mutex mu_;
  CondVar work_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace skytrain
