#pragma once

#include <atomic>
#include <cstdint>

#include "ATen/Parallel.h"

namespace skytrain::training {

// Runs task(i) for each i in [0, count) on the intra-op threads; a thread takes the next one when
// it is free, so that a core that is shared with something else gets less of the work. Tasks must
// not depend on each other, nor their results on who runs them.
template <typename Task>
void ParallelTasks(int64_t count, const Task& task) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    for (int64_t i; (i = next.fetch_add(1)) < count;) task(i);
  });
}

}  // namespace skytrain::training
