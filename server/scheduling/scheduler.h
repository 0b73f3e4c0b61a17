#pragma once

#include <string>
#include <vector>

namespace skytrain {

// What the policy sees: the node and the queue at one moment.
struct ScheduleInput {
  struct Device {
    enum class Kind { kCpu, kGpu };
    std::string name;  // "cpu:0", "gpu:0"
    Kind kind = Kind::kCpu;
    bool free = true;
  };
  struct Waiting {
    std::string uid;
    int gpus = 0;
    int cpus = 0;
  };
  std::vector<Device> devices;
  std::vector<Waiting> queue;  // In the order in which it is to be served.
};

struct Assignment {
  std::string uid;
  std::vector<std::string> devices;
};

// First in, first out, for each kind of device apart: a job starts when its devices are free and no
// earlier job waits for the same kind, so that a large job is never starved by small ones, and CPU
// jobs never wait for GPUs. A job that wants more than the node has is passed over: it can only
// have been accepted by a daemon with more devices. Pure.
std::vector<Assignment> Schedule(const ScheduleInput& input);

}  // namespace skytrain
