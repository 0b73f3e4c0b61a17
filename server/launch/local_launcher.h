#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/attempt/attempt_dir.h"
#include "server/jobs/launcher.h"

namespace skytrain {

// Starts shepherds on this machine, each in a session of its own, so that neither the end of this
// process nor a signal to its group reaches them. A shepherd's own output goes to DIR/shepherd.log.
// Thread-safe.
class LocalLauncher : public Launcher {
 public:
  struct Options {
    // Of an attempt that runs as another user; 0: none. (Else attempt.binpb names it.)
    int64_t memory_limit_bytes = 0;
    // Called when a shepherd has left, on a thread of the launcher. May be empty.
    std::function<void()> on_left;
  };
  // `shepherd_binary`: absolute path of skytrain-shepherd.
  explicit LocalLauncher(std::string shepherd_binary);
  LocalLauncher(std::string shepherd_binary, Options options);
  ~LocalLauncher() override;  // Lets shepherds be: they go on.

  absl::Status Launch(const AttemptDir& attempt, const Account* run_as) override;
  absl::Status Poke(const AttemptDir& attempt) override;

 private:
  class Reaper;
  const std::string shepherd_binary_;
  const Options options_;
  const std::unique_ptr<Reaper> reaper_;
};

}  // namespace skytrain
