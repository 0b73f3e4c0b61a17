#pragma once

#include <optional>
#include <vector>

#include "server/scheduling/snapshot.h"

namespace skytrain {

// The running jobs (indices) that must make way so that at least `missing` devices come free for a
// job of this priority: of the preemptible ones of lower priority that are not stopping and not
// `taken`, those of the lowest priority first, of these the youngest; none that is not needed
// beside the others. nullopt: all together would not suffice. Pure.
std::optional<std::vector<int>> ChooseVictims(const Snapshot& snapshot, int priority,
                                              const DeviceCounts& missing,
                                              const std::vector<bool>& taken);

}  // namespace skytrain
