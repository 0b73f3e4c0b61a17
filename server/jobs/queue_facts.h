#pragma once

#include <memory>

#include "absl/time/time.h"
#include "server/scheduling/snapshot.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// What the policy needs to know of a job that waits. `cpu_slots`: of the node.
std::shared_ptr<const WaitingJob> MakeWaiting(const v1::Job& job, int cpu_slots);

bool IsPreemptible(const v1::Job& job);
// From the wish to stop to the kill.
absl::Duration GraceOf(const v1::Job& job);

}  // namespace skytrain
