#pragma once

#include <cstdint>

namespace skytrain {

struct ProcessFacts {
  int64_t resident_bytes = 0;
  double cpu_seconds = 0;  // User and system, of all threads, since the start.
};
// Of this process; 0 where the system does not say.
ProcessFacts ReadProcessFacts();

}  // namespace skytrain
