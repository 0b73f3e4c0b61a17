#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// 2026-03-01 12:00 UTC: the present of all snapshots here.
inline absl::Time Noon() {
  return absl::FromCivil(absl::CivilHour(2026, 3, 1, 12), absl::UTCTimeZone());
}

// Builds snapshots in few words.
class Node {
 public:
  Node(int cpus, int gpus) {
    snapshot.now = Noon();
    for (int i = 0; i < cpus; ++i) Device(absl::StrCat("cpu:", i), kCpu);
    for (int i = 0; i < gpus; ++i) Device(absl::StrCat("gpu:", i), kGpu);
  }

  // Its fields may be set until the next call.
  WaitingJob& Waits(const std::string& uid, DeviceCounts wanted, const std::string& owner = "ana") {
    auto job = std::make_shared<WaitingJob>();
    job->uid = job->name = uid;
    job->owner = owner;
    job->wanted = wanted;
    snapshot.waiting.push_back(job);
    return *job;
  }

  RunningJob& Runs(const std::string& uid, std::vector<int> devices,
                   const std::string& owner = "ana") {
    RunningJob& job = snapshot.running.emplace_back();
    job.uid = job.name = uid;
    job.owner = owner;
    job.devices = std::move(devices);
    job.started = Noon() - absl::Hours(1);
    job.grace = absl::Seconds(60);
    return job;
  }

  // "uid: device device"
  std::vector<std::string> Assignments(const Decisions& decisions) const {
    std::vector<std::string> lines;
    for (const Assignment& assignment : decisions.assignments) {
      std::string line = absl::StrCat(snapshot.waiting[assignment.waiting]->uid, ":");
      for (const int device : assignment.devices) {
        absl::StrAppend(&line, " ", snapshot.devices[device].name);
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

  // "victim for uid"
  std::vector<std::string> Preemptions(const Decisions& decisions) const {
    std::vector<std::string> lines;
    for (const Preemption& preemption : decisions.preemptions) {
      lines.push_back(absl::StrCat(snapshot.running[preemption.running].uid, " for ",
                                   snapshot.waiting[preemption.waiting]->uid));
    }
    return lines;
  }

  const Wait* WaitOf(const Decisions& decisions, const std::string& uid) const {
    for (const Wait& wait : decisions.waits) {
      if (snapshot.waiting[wait.waiting]->uid == uid) return &wait;
    }
    return nullptr;
  }

  Snapshot snapshot;

 private:
  void Device(std::string name, DeviceKind kind) {
    NodeDevice& device = snapshot.devices.emplace_back();
    device.name = std::move(name);
    device.kind = kind;
  }
};

}  // namespace skytrain
