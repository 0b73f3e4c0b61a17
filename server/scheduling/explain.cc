#include "server/scheduling/explain.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace skytrain {
namespace {

std::string Count(int count, absl::string_view what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

std::string Clock(absl::Time time, absl::Time now, absl::TimeZone zone) {
  const bool today = absl::ToCivilDay(time, zone) == absl::ToCivilDay(now, zone);
  return absl::FormatTime(today ? "%H:%M" : "%b %e %H:%M", time, zone);
}

// "ben's dd-width-sweep ends about 14:20".
std::string EndOf(const RunningJob& job, const Snapshot& snapshot, NameJob name_job,
                  absl::TimeZone zone) {
  const std::string name = name_job(job.owner, job.name);
  if (job.stopping) return absl::StrCat(name, " is stopping");
  if (job.ends == absl::InfiniteFuture()) return absl::StrCat(name, " has no time limit");
  return absl::StrCat(name, " ends about ", Clock(job.ends, snapshot.now, zone));
}

// A running job without a known end that holds devices of the wanted kinds.
const RunningJob* EndlessHolder(const Snapshot& snapshot, const DeviceCounts& wanted) {
  for (const RunningJob& job : snapshot.running) {
    if (job.ends < absl::InfiniteFuture() || job.devices.empty()) continue;
    if (wanted[snapshot.devices[job.devices.front()].kind] > 0) return &job;
  }
  return nullptr;
}

std::string ExplainDevices(const Snapshot& snapshot, const Wait& wait, NameJob name_job,
                           absl::TimeZone zone) {
  const DeviceCounts& wanted = snapshot.waiting[wait.waiting]->wanted;
  int free = 0;
  for (const DeviceKind kind : kAllKinds) free += wanted[kind] > 0 ? wait.free[kind] : 0;
  std::vector<std::string> details = {absl::StrCat(free, " free")};
  for (const NodeDevice& device : snapshot.devices) {
    if (device.unavailable.empty() || wanted[device.kind] == 0) continue;
    details.push_back(absl::StrCat(device.name, " ", device.unavailable));
  }
  const RunningJob* const blocker =
      wait.blocker >= 0 ? &snapshot.running[wait.blocker] : EndlessHolder(snapshot, wanted);
  if (blocker != nullptr) details.push_back(EndOf(*blocker, snapshot, name_job, zone));
  return absl::StrCat("waits for ", DevicesInWords(wanted), " (", absl::StrJoin(details, "; "),
                      ")");
}

std::string ExplainPreemption(const Snapshot& snapshot, const Wait& wait, NameJob name_job) {
  if (wait.blocker < 0) return "waits for devices that are being freed for it";
  const RunningJob& job = snapshot.running[wait.blocker];
  return absl::StrCat("waits for ", name_job(job.owner, job.name),
                      ", which writes a checkpoint and makes way");
}

}  // namespace

std::string DevicesInWords(const DeviceCounts& counts) {
  std::vector<std::string> parts;
  if (counts[kGpu] > 0) parts.push_back(Count(counts[kGpu], "GPU"));
  if (counts[kCpu] > 0 || parts.empty()) parts.push_back(Count(counts[kCpu], "CPU slot"));
  return absl::StrJoin(parts, " and ");
}

std::string Explain(const Snapshot& snapshot, const Wait& wait, NameJob name_job,
                    absl::TimeZone zone) {
  const WaitingJob& job = *snapshot.waiting[wait.waiting];
  switch (wait.why) {
    case Wait::Why::kDevices:
      return ExplainDevices(snapshot, wait, name_job, zone);
    case Wait::Why::kTurn: {
      const WaitingJob& before = *snapshot.waiting[wait.blocker];
      return absl::StrCat("waits for ", DevicesInWords(job.wanted), ", after ",
                          name_job(before.owner, before.name));
    }
    case Wait::Why::kPreempting:
      return ExplainPreemption(snapshot, wait, name_job);
    case Wait::Why::kPause:
      return absl::StrCat("tries again at ", Clock(job.not_before, snapshot.now, zone),
                          ", after a failed attempt");
    case Wait::Why::kOwnerLimit:
      return absl::StrCat("waits until another job of its owner ends: one may run ",
                          Count(snapshot.running_jobs_per_owner, "job"), " at once");
    case Wait::Why::kTooLarge: {
      DeviceCounts node = {};
      for (const NodeDevice& device : snapshot.devices) ++node[device.kind];
      return absl::StrCat("wants ", DevicesInWords(job.wanted), "; this node has ",
                          Count(node[kGpu], "GPU"), " and ", Count(node[kCpu], "CPU slot"));
    }
  }
  return "";
}

}  // namespace skytrain
