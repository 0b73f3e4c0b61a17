#pragma once

#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "common/attempt/attempt_dir.h"
#include "server/accounts/account.h"
#include "server/jobs/attempt_supervisor.h"

namespace skytrain {

// Everything that comes before the launch of the newest attempt of `job`:
//   1. Whom it runs as (Options::account_of), and where it resumes.
//   2. Its folder with attempt.binpb; it belongs to that user from before anything is in it.
//   3. What the user cannot reach where it lies: the model that it evaluates or starts from.
// Answers the account; nullopt: it runs as the daemon. CANCELLED as soon as `stop` answers true.
absl::StatusOr<std::optional<Account>> PrepareAttempt(const AttemptEnvironment& environment,
                                                      const v1::Job& job, AttemptDir& dir,
                                                      const std::function<bool()>& stop);

}  // namespace skytrain
