#pragma once

#include "common/attempt/attempt_dir.h"
#include "server/jobs/attempt_supervisor.h"
#include "skytrain/internal/v1/attempt.pb.h"

namespace skytrain {

// Whether `shepherd`, which the claim of an attempt names, may be there still.
bool ShepherdMayLive(const AttemptEnvironment& environment, const AttemptDir& dir,
                     const internal::v1::ProcessId& shepherd);

// The shepherd that claimed the attempt lived before this machine was last started.
bool OfEarlierBoot(const AttemptDir& dir);

}  // namespace skytrain
