#pragma once

#include <atomic>

namespace skytrain::training {

// What is wanted of a run, set by another thread and read at step boundaries.
struct RunControl {
  std::atomic<bool> stop = false;        // Write a checkpoint and leave.
  std::atomic<bool> checkpoint = false;  // Write a checkpoint and go on; cleared when written.
};

}  // namespace skytrain::training
