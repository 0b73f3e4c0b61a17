#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/attempt/attempt_dir.h"
#include "server/accounts/account.h"

namespace skytrain {

// Starts the shepherd of an attempt and pokes it. Everything else about the attempt is read from
// its folder. Thread-safe. Implementations: local (server/launch/), fake (tests/support/).
class Launcher {
 public:
  virtual ~Launcher() = default;
  // Starts a shepherd on a folder that is complete. The shepherd claims the folder itself; an OK
  // here does not mean that it did. An error means that nothing was started. `run_as`: the user
  // that the shepherd becomes, and to whom the folder belongs; null: it runs as this process does.
  virtual absl::Status Launch(const AttemptDir& attempt, const Account* run_as) = 0;
  // "Look at control.binpb now." NOT_FOUND when the shepherd is gone (the folder then tells how the
  // attempt ended).
  virtual absl::Status Poke(const AttemptDir& attempt) = 0;
};

}  // namespace skytrain
