#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace skytrain {

enum DeviceKind { kCpu = 0, kGpu = 1 };
inline constexpr int kDeviceKinds = 2;
inline constexpr DeviceKind kAllKinds[] = {kCpu, kGpu};

// How many devices of each kind; index: DeviceKind.
using DeviceCounts = std::array<int, kDeviceKinds>;

struct NodeDevice {
  std::string name;  // "cpu:0", "gpu:0"
  DeviceKind kind = kCpu;
  // Why it is not handed out, though no job of ours holds it. Empty: it may be.
  std::string unavailable;
  // It is unavailable for seconds only: its last job ended, its memory is being given back.
  bool settling = false;
  // Uid of the waiting job for which a preempted one gave it up, or is about to. Empty: anybody's.
  std::string reserved_for;
};

// A job in the queue. Shared and never changed, so that a snapshot of 10,000 of them is cheap.
struct WaitingJob {
  std::string uid;   // Sorts by age.
  std::string name;  // Without "jobs/".
  std::string owner;
  int priority = 0;
  DeviceCounts wanted = {};
  absl::Duration time_limit = absl::InfiniteDuration();
  absl::Time not_before = absl::InfinitePast();  // The pause after a failed attempt.
  absl::Time created;
};

// A job that holds devices.
struct RunningJob {
  std::string uid;
  std::string name;
  std::string owner;
  int priority = 0;
  bool preemptible = false;
  std::vector<int> devices;  // Indices into Snapshot::devices.
  absl::Time started;
  // By its time limit, or by the deadline of a stop. InfiniteFuture: nobody knows.
  absl::Time ends = absl::InfiniteFuture();
  absl::Duration grace;   // What it gets to write a checkpoint.
  bool stopping = false;  // Its devices come free in any case.
};

// The node and the queue at one moment: all that the policy sees.
struct Snapshot {
  absl::Time now;
  std::vector<NodeDevice> devices;
  std::vector<std::shared_ptr<const WaitingJob>> waiting;  // In any order.
  std::vector<RunningJob> running;                         // In any order.
  // Device seconds (UsageLedger) of each owner, those of the running jobs so far included.
  absl::flat_hash_map<std::string, double> usage;
  int running_jobs_per_owner = 0;  // 0: no limit.
};

}  // namespace skytrain
