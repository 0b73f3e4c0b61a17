#include "server/data/parallel.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "common/mutex.h"

namespace skytrain::data {

absl::Status ParallelFor(size_t n, int threads, std::atomic<bool>& stop,
                         const std::function<absl::Status(size_t)>& work) {
  std::atomic<size_t> next{0};
  Mutex mu;
  absl::Status first_error;
  auto run = [&] {
    for (size_t i; !stop.load(std::memory_order_relaxed) && (i = next.fetch_add(1)) < n;) {
      const absl::Status status = work(i);
      if (status.ok()) continue;
      MutexLock lock(mu);
      if (first_error.ok()) first_error = status;
      stop.store(true);
    }
  };
  const size_t wanted = std::min<size_t>(std::max(threads, 1), std::max<size_t>(n, 1));
  std::vector<std::thread> helpers;
  for (size_t t = 1; t < wanted; ++t) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
  return first_error;
}

}  // namespace skytrain::data
