#pragma once

#include <cstdint>

namespace skytrain {

// What one answer with a list may hold before it ends early: clients take messages of 4 MiB.
constexpr int64_t kMaxPageBytes = 3 << 20;

}  // namespace skytrain
