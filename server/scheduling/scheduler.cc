#include "server/scheduling/scheduler.h"

#include <utility>

namespace skytrain {
namespace {

using Kind = ScheduleInput::Device::Kind;

// The devices of one kind.
struct Pool {
  int total = 0;
  std::vector<std::string> free;
  bool someone_waits = false;

  bool CouldEver(int wanted) const { return wanted <= total; }
  bool CanNow(int wanted) const {
    return wanted == 0 || (!someone_waits && wanted <= static_cast<int>(free.size()));
  }
  void Take(int wanted, std::vector<std::string>* devices) {
    for (int i = 0; i < wanted; ++i) devices->push_back(std::move(free[i]));
    free.erase(free.begin(), free.begin() + wanted);
  }
};

Pool PoolOf(const ScheduleInput& input, Kind kind) {
  Pool pool;
  for (const ScheduleInput::Device& device : input.devices) {
    if (device.kind != kind) continue;
    ++pool.total;
    if (device.free) pool.free.push_back(device.name);
  }
  return pool;
}

}  // namespace

std::vector<Assignment> Schedule(const ScheduleInput& input) {
  Pool gpus = PoolOf(input, Kind::kGpu);
  Pool cpus = PoolOf(input, Kind::kCpu);
  std::vector<Assignment> assignments;
  for (const ScheduleInput::Waiting& job : input.queue) {
    if (!gpus.CouldEver(job.gpus) || !cpus.CouldEver(job.cpus)) continue;
    if (gpus.CanNow(job.gpus) && cpus.CanNow(job.cpus)) {
      Assignment& assignment = assignments.emplace_back();
      assignment.uid = job.uid;
      gpus.Take(job.gpus, &assignment.devices);
      cpus.Take(job.cpus, &assignment.devices);
      continue;
    }
    if (job.gpus > 0) gpus.someone_waits = true;
    if (job.cpus > 0) cpus.someone_waits = true;
  }
  return assignments;
}

}  // namespace skytrain
