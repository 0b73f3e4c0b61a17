#pragma once

#include <vector>

#include "server/scheduling/snapshot.h"

namespace skytrain {

// The waiting jobs (indices into snapshot.waiting) in the order in which they are served: by
// priority, then by fair share between owners, then by age.
//
// Fair share: next comes the owner who used least: device seconds, plus an hour for each device
// that a running job holds or that a job earlier in this order would hold. So owners who start
// level take turns, and who has used much waits until the others had as much. Pure.
std::vector<int> ServingOrder(const Snapshot& snapshot);

// Whether the job could be served now, were everything free: its pause is over, and the node has
// as many devices.
bool MayBeServed(const WaitingJob& job, const DeviceCounts& node, absl::Time now);

DeviceCounts DevicesOf(const Snapshot& snapshot);

}  // namespace skytrain
