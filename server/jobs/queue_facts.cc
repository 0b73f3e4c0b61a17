#include "server/jobs/queue_facts.h"

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/timestamp.h"
#include "google/protobuf/duration.pb.h"
#include "server/jobs/attempt_plan.h"

namespace skytrain {
namespace {

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace

std::shared_ptr<const WaitingJob> MakeWaiting(const v1::Job& job, int cpu_slots) {
  auto waiting = std::make_shared<WaitingJob>();
  waiting->uid = job.uid();
  waiting->name = std::string(absl::StripPrefix(job.name(), "jobs/"));
  waiting->owner = job.owner();
  waiting->priority = job.experiment().queue().priority();
  const Demand demand = DemandOf(job, cpu_slots);
  waiting->wanted[kCpu] = demand.cpus;
  waiting->wanted[kGpu] = demand.gpus;
  const v1::Limits limits = LimitsOf(job);
  if (limits.has_time()) waiting->time_limit = ToDuration(limits.time());
  if (job.has_next_try_time()) waiting->not_before = ToTime(job.next_try_time());
  waiting->created = ToTime(job.create_time());
  return waiting;
}

bool IsPreemptible(const v1::Job& job) { return job.experiment().queue().preemptible(); }

absl::Duration GraceOf(const v1::Job& job) { return ToDuration(LimitsOf(job).grace()); }

}  // namespace skytrain
