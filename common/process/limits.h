#pragma once

#include <cstdint>

namespace skytrain {

// For a process that parses untrusted files: a parser that one of them has driven mad ends itself,
// and leaves no core behind. Not of memory under a sanitizer (common/sanitizers.h).
void LimitThisProcess(uint64_t memory_bytes, uint64_t cpu_seconds);

}  // namespace skytrain
