// How long one pass of the scheduler takes over a long queue:
//   scheduler_bench [WAITING [OWNERS]]     (10,000 jobs of 20 owners on 64 cores and 8 GPUs)
// Prints the median and the longest of 50 passes. Bar: 20 ms.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/scheduling/scheduler.h"

namespace skytrain {
namespace {

Snapshot Queue(int waiting, int owners) {
  std::mt19937 random(7);
  Snapshot snapshot;
  snapshot.now = absl::FromUnixSeconds(1'700'000'000);
  snapshot.running_jobs_per_owner = 8;
  for (int i = 0; i < 72; ++i) {
    const bool gpu = i >= 64;
    snapshot.devices.push_back(
        {absl::StrCat(gpu ? "gpu:" : "cpu:", gpu ? i - 64 : i), gpu ? kGpu : kCpu, "", false, ""});
    if (i % 3 == 0) continue;
    RunningJob& job = snapshot.running.emplace_back();
    job.uid = absl::StrCat("r", i);
    job.owner = absl::StrCat("owner", i % owners);
    job.devices = {i};
    job.preemptible = i % 2 == 0;
    if (i % 4 != 0) job.ends = snapshot.now + absl::Minutes(i);
  }
  for (int i = 0; i < waiting; ++i) {
    auto job = std::make_shared<WaitingJob>();
    job->uid = absl::StrCat("01HZX3M8Q4W", 1000000000 + random() % 1000000000);
    job->name = absl::StrCat("galaxies-", i);
    job->owner = absl::StrCat("owner", random() % owners);
    job->priority = static_cast<int>(random() % 3);
    job->wanted[random() % 2] = 1 + static_cast<int>(random() % 8);
    if (random() % 2 == 0) job->time_limit = absl::Minutes(1 + random() % 600);
    snapshot.waiting.push_back(std::move(job));
  }
  return snapshot;
}

void Measure(int waiting, int owners) {
  const Snapshot snapshot = Queue(waiting, owners);
  std::vector<double> times;
  size_t decided = 0;
  for (int i = 0; i < 50; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    decided += Schedule(snapshot).waits.size();
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%d waiting jobs, %d owners: median %.2f ms, longest %.2f ms a pass (%zu waits)\n",
              waiting, owners, times[times.size() / 2], times.back(), decided / 50);
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  skytrain::Measure(argc > 1 ? std::atoi(argv[1]) : 10'000, argc > 2 ? std::atoi(argv[2]) : 20);
  return 0;
}
