#include "server/metrics/process_facts.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace skytrain {

ProcessFacts ReadProcessFacts() {
  ProcessFacts facts;
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  if (statm >> size >> resident) facts.resident_bytes = resident * sysconf(_SC_PAGESIZE);
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) { return time.tv_sec + time.tv_usec * 1e-6; };
    facts.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  return facts;
}

}  // namespace skytrain
