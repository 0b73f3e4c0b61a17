// A filter of jobs: what is accepted can be asked, and never contradicts what the store was told.
#include "server/jobs/job_filter.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  const auto filter = JobFilter::Parse(fuzz::View(data, size));
  if (!filter.ok()) return 0;
  v1::Job job;
  job.set_name("jobs/galaxies-7k2m");
  job.set_owner("ada");
  job.mutable_create_time()->set_seconds(1'700'000'000);
  (*job.mutable_experiment()->mutable_labels())["run"] = "7";
  for (const v1::JobState state : {v1::QUEUED, v1::RUNNING, v1::SUCCEEDED, v1::FAILED}) {
    job.set_state(state);
    if (!filter->Matches(job)) continue;
    fuzz::Check((filter->States() >> state & 1) != 0);
    fuzz::Check(filter->Owner().empty() || filter->Owner() == job.owner());
  }
  return 0;
}
