#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace skytrain {

// What processes hold that is theirs, for limits that no control group enforces. A process that is
// gone counts nothing.

// Anonymous and shared memory of all of them, in bytes: without file pages, which the kernel takes
// back when it needs to. Memory that two of them share counts twice.
int64_t MemoryOf(absl::Span<const int> pids);
// The pids of a process group.
std::vector<int> ProcessesOfGroup(int process_group);

namespace internal {
// From the text of /proc/PID/status, in bytes. Here for tests.
int64_t OwnMemoryIn(const std::string& status);
}  // namespace internal

}  // namespace skytrain
