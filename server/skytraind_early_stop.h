#pragma once

#include <signal.h>

#include <functional>
#include <thread>

namespace skytrain {

// Lets a stop signal act at once also before the daemon serves: while it opens its database and
// takes up the jobs of an earlier one, which may take minutes. The process then ends with 0,
// wherever it is: whatever it has begun is taken up by the next one, as after a crash.
class EarlyStop {
 public:
  // `signals` are blocked in every thread. `last_words` is called on the thread that ends the
  // process.
  EarlyStop(const sigset_t& signals, std::function<void(int signal)> last_words);
  // From now on the signals are for somebody else.
  ~EarlyStop();

 private:
  void Wait(int signal_fd);

  const std::function<void(int signal)> last_words_;
  int served_fd_ = -1;  // eventfd.
  std::thread thread_;
};

}  // namespace skytrain
