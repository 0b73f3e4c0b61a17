#pragma once

#include "server/scheduling/availability.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// Fills in the expected start of each of `decisions->waits`, where it has none yet: when it would
// start if every job took its whole time limit and nobody passed another. Unknown behind a job
// without a time limit. `availability` as the pass left it. O(n log n). Pure.
void Forecast(const Snapshot& snapshot, const Availability& availability, Decisions* decisions);

}  // namespace skytrain
