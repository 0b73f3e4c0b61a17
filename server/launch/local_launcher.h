#pragma once

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
  // `shepherd_binary`: absolute path of skytrain-shepherd.
  explicit LocalLauncher(std::string shepherd_binary);
  ~LocalLauncher() override;  // Lets shepherds be: they go on.

  absl::Status Launch(const AttemptDir& attempt) override;
  absl::Status Poke(const AttemptDir& attempt) override;

 private:
  class Reaper;
  const std::string shepherd_binary_;
  const std::unique_ptr<Reaper> reaper_;
};

}  // namespace skytrain
