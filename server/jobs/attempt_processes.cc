#include "server/jobs/attempt_processes.h"

#include "common/process/process.h"

namespace skytrain {

bool ShepherdMayLive(const AttemptEnvironment& environment, const AttemptDir& dir,
                     const internal::v1::ProcessId& shepherd) {
  const Liveness liveness = IsAlive(shepherd);
  if (!environment.options.account_of) return liveness != Liveness::kDead;
  // The owner can write a claim that names any process: it counts only if it is his, and here.
  const auto folder = environment.fs.Info(dir.path());
  const auto user = UserOf(shepherd.pid());
  return liveness == Liveness::kAlive && folder.ok() && user.ok() && *user == folder->uid;
}

bool OfEarlierBoot(const AttemptDir& dir) {
  const auto claim = dir.ReadClaim();
  const auto self = Self();
  return claim.ok() && claim->has_value() && (*claim)->has_shepherd() && self.ok() &&
         (*claim)->shepherd().host() == self->host() &&
         (*claim)->shepherd().boot_id() != self->boot_id();
}

}  // namespace skytrain
