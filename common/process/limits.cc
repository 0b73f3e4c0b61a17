#include "common/process/limits.h"

#include <sys/resource.h>

#include "common/sanitizers.h"

namespace skytrain {

void LimitThisProcess(uint64_t memory_bytes, uint64_t cpu_seconds) {
  const rlimit memory{memory_bytes, memory_bytes}, cpu{cpu_seconds, cpu_seconds};
  const rlimit no_core{0, 0};
  if (!kSanitized) setrlimit(RLIMIT_AS, &memory);
  setrlimit(RLIMIT_CPU, &cpu);
  setrlimit(RLIMIT_CORE, &no_core);
}

}  // namespace skytrain
