// Who gets the devices, who makes way, and what those who wait are told.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/timestamp.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/devices/gpu_guard.h"
#include "server/store/usage_rows.h"
#include "tests/support/scripted_monitor.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Caller kBen = {"ben", false};
const Caller kRoot = {"root", true};

v1::CreateJobRequest Request(const std::string& id, int priority, bool preemptible = false) {
  v1::CreateJobRequest request = JobWorld::Request(id);
  v1::Queueing& queue = *request.mutable_job()->mutable_experiment()->mutable_queue();
  queue.set_priority(priority);
  queue.set_preemptible(preemptible);
  return request;
}

void Create(JobWorld& world, const Caller& caller, const v1::CreateJobRequest& request) {
  const auto created = world.jobs().Create(caller, request);
  ASSERT_TRUE(created.ok()) << created.status();
}

// The job ids of the queue, as an admin sees it, once there are `count`.
std::vector<std::string> Queue(JobWorld& world, size_t count) {
  std::vector<std::string> ids;
  for (int tries = 0; tries < 5000; ++tries) {
    ids.clear();
    const auto queue = world.jobs().Queue(kRoot);
    EXPECT_TRUE(queue.ok()) << queue.status();
    for (const v1::QueueEntry& entry : queue->entries()) ids.push_back(entry.job());
    if (ids.size() == count) break;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return ids;
}

// A world whose only devices are taken by ana's job "runs".
void Occupy(JobWorld& world, v1::CreateJobRequest request = JobWorld::Request("runs")) {
  world.launcher().Then(TrainUntilStopped());
  world.options().jobs_visible_to_all = true;
  world.Start();
  Create(world, kRoot, request);
  world.WaitForState("runs", v1::RUNNING);
}

TEST(JobQueue, ServesHigherPriorityFirst) {
  JobWorld world;
  world.options().max_priority = 10;
  Occupy(world);
  Create(world, JobWorld::kAna, Request("low", -1));
  Create(world, JobWorld::kAna, Request("normal", 0));
  Create(world, JobWorld::kAna, Request("high", 10));
  EXPECT_THAT(Queue(world, 3), ElementsAre("jobs/high", "jobs/normal", "jobs/low"));
}

TEST(JobQueue, LetsOwnersTakeTurns) {
  JobWorld world;
  Occupy(world);
  for (const char* id : {"ana-1", "ana-2", "ana-3"}) {
    Create(world, JobWorld::kAna, Request(id, 0));
  }
  for (const char* id : {"ben-1", "ben-2"}) Create(world, kBen, Request(id, 0));
  EXPECT_THAT(Queue(world, 5),
              ElementsAre("jobs/ana-1", "jobs/ben-1", "jobs/ana-2", "jobs/ben-2", "jobs/ana-3"));
}

TEST(JobQueue, RemembersWhatOwnersUsedOverARestart) {
  JobWorld world;
  world.options().jobs_visible_to_all = true;
  world.Start();
  ASSERT_TRUE(
      world.database()
          .Write(
              Database::Priority::kControl,
              [](Connection& connection) {
                return PutUsage(connection, {"ana", 1'000'000, absl::ToUnixSeconds(absl::Now())});
              })
          .ok());
  world.Restart();
  world.launcher().Then(TrainUntilStopped());
  Create(world, kRoot, Request("runs", 0));
  world.WaitForState("runs", v1::RUNNING);
  Create(world, JobWorld::kAna, Request("ana-1", 0));
  Create(world, kBen, Request("ben-1", 0));
  EXPECT_THAT(Queue(world, 2), ElementsAre("jobs/ben-1", "jobs/ana-1"));
}

TEST(JobQueue, CountsWhatAnAttemptUsed) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    // The ledger counts whole seconds.
    const absl::Time begin = absl::Now();
    run.WaitUntil([begin] { return absl::Now() - begin > absl::Milliseconds(1600); });
    run.Model();
    run.Exit(v1::COMPLETED);
  });
  world.Start();
  world.Create("used");
  world.WaitForEnd("used");
  world.Restart();  // Shutdown stores.
  std::vector<UsageRow> rows;
  ASSERT_TRUE(world.database()
                  .Read([&](Connection& connection) -> absl::Status {
                    rows = *ListUsage(connection);
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].owner, "ana");
  EXPECT_GE(rows[0].seconds, 3);  // Two slots.
  EXPECT_LE(rows[0].seconds, 60);
}

TEST(JobQueue, PreemptedJobGoesOnFromItsCheckpointAfterTheOneThatAsked) {
  JobWorld world;
  world.options().max_priority = 10;
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.WaitForStop();
    EXPECT_EQ((*run.dir().ReadControl())->cause(), internal::v1::Control::CAUSE_PREEMPT);
    run.Checkpoint(30);
    run.Result(v1::STOPPED);
    run.Exit(v1::STOPPED);
  });
  world.launcher().Then(TrainOneStep(1));
  std::string resumed_from;
  world.launcher().Then([&](FakeRun& run) {
    resumed_from = run.dir().ReadSpec()->resume_from();
    run.Claim();
    run.StartRank(30);
    run.Model();
    run.Exit(v1::COMPLETED);
  });
  world.Start();
  Create(world, JobWorld::kAna, Request("victim", 0, /*preemptible=*/true));
  world.WaitForState("victim", v1::RUNNING);
  Create(world, JobWorld::kAna, Request("urgent", 10));
  const v1::Job urgent = world.WaitForEnd("urgent");
  const v1::Job victim = world.WaitForEnd("victim");
  EXPECT_EQ(urgent.state(), v1::SUCCEEDED);
  EXPECT_EQ(victim.state(), v1::SUCCEEDED);
  ASSERT_EQ(victim.attempts_size(), 2);
  EXPECT_EQ(victim.attempts(0).end(), v1::PREEMPTED);
  EXPECT_LE(ToTime(urgent.attempts(0).end_time()), ToTime(victim.attempts(1).start_time()));
  EXPECT_THAT(resumed_from, HasSubstr("-1/checkpoints/step-"));
  EXPECT_EQ(victim.stop_cause(), v1::STOP_CAUSE_UNSPECIFIED);
}

TEST(JobQueue, JobThatIsNotPreemptibleStays) {
  JobWorld world;
  world.options().max_priority = 10;
  Occupy(world, Request("runs", 0, /*preemptible=*/false));
  Create(world, JobWorld::kAna, Request("urgent", 10));
  EXPECT_THAT(Queue(world, 1), ElementsAre("jobs/urgent"));
  EXPECT_EQ(world.Get("runs").state(), v1::RUNNING);
}

TEST(JobQueue, RunsNoMoreJobsOfAnOwnerThanOneMay) {
  JobWorld world;
  world.options().cpu_slots = 4;
  world.options().max_running_jobs_per_owner = 1;
  world.launcher().Then(TrainUntilStopped());
  world.launcher().Then(TrainUntilStopped());
  world.options().jobs_visible_to_all = true;
  world.Start();
  Create(world, JobWorld::kAna, Request("ana-1", 0));
  Create(world, JobWorld::kAna, Request("ana-2", 0));
  Create(world, kBen, Request("ben-1", 0));
  world.WaitForState("ana-1", v1::RUNNING);
  world.WaitForState("ben-1", v1::RUNNING);
  const v1::Job waits =
      world.WaitUntil("ana-2", [](const v1::Job& job) { return !job.queue_reason().empty(); });
  EXPECT_EQ(waits.queue_reason(),
            "waits until another job of its owner ends: one may run 1 job at once");
}

TEST(JobQueue, RefusesMoreWaitingJobsThanAnOwnerMayHave) {
  JobWorld world;
  world.options().max_queued_jobs_per_owner = 2;
  Occupy(world);
  Create(world, JobWorld::kAna, Request("ana-1", 0));
  Create(world, JobWorld::kAna, Request("ana-2", 0));
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, Request("ana-3", 0)).status()),
            "OWNER_QUEUE_FULL");
  Create(world, kBen, Request("ben-1", 0));
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "ana-2").ok());
  Create(world, JobWorld::kAna, Request("ana-3", 0));
}

TEST(JobQueue, RefusesPriorityAboveWhatTheNodeAllowsExceptOfAdmins) {
  JobWorld world;
  world.options().max_priority = 5;
  world.Start();
  EXPECT_TRUE(world.jobs().Create(JobWorld::kAna, Request("allowed", 5)).ok());
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, Request("above", 6)).status()),
            "PRIORITY_NOT_ALLOWED");
  EXPECT_TRUE(world.jobs().Create(kRoot, Request("admins", 6)).ok());
}

TEST(JobQueue, SaysWhyAJobWaitsAndWhenItMightStart) {
  JobWorld world;
  v1::CreateJobRequest limited = Request("runs", 0);
  limited.mutable_job()->mutable_experiment()->mutable_limits()->mutable_time()->set_seconds(3600);
  Occupy(world, limited);
  Create(world, JobWorld::kAna, Request("next", 0));
  const v1::Job job =
      world.WaitUntil("next", [](const v1::Job& job) { return !job.queue_reason().empty(); });
  EXPECT_THAT(job.queue_reason(), HasSubstr("waits for 2 CPU slots (0 free; root's runs ends"));
  EXPECT_EQ(ToTime(job.expected_start_time()),
            ToTime(world.Get("runs").attempts(0).start_time()) + absl::Hours(1));
}

TEST(JobQueue, ShowsJobsOfOthersWithoutNameAndOwner) {
  JobWorld world;
  Occupy(world);
  world.Stop();
  world.options().jobs_visible_to_all = false;
  world.Start();
  Create(world, JobWorld::kAna, Request("anas", 0));
  Create(world, kBen, Request("bens", 0));
  ASSERT_THAT(Queue(world, 2), ElementsAre("jobs/anas", "jobs/bens"));
  const auto queue = world.jobs().Queue(kBen);
  ASSERT_TRUE(queue.ok()) << queue.status();
  EXPECT_EQ(queue->entries(0).job(), "");
  EXPECT_EQ(queue->entries(0).owner(), "");
  EXPECT_THAT(queue->entries(0).reason(), HasSubstr("another user's job"));
  EXPECT_EQ(queue->entries(0).position(), 1);
  EXPECT_EQ(queue->entries(0).cpus(), 2);
  EXPECT_EQ(queue->entries(1).job(), "jobs/bens");
  EXPECT_THAT(queue->entries(1).reason(), HasSubstr("after another user's job"));
}

TEST(JobQueue, SuspendedJobLeavesTheQueueAndComesBack) {
  JobWorld world;
  Occupy(world);
  world.Create("aside");
  ASSERT_THAT(Queue(world, 1), ElementsAre("jobs/aside"));
  ASSERT_TRUE(world.jobs().Suspend(JobWorld::kAna, "aside").ok());
  EXPECT_THAT(Queue(world, 0), ElementsAre());
  ASSERT_TRUE(world.jobs().Resume(JobWorld::kAna, "aside").ok());
  EXPECT_THAT(Queue(world, 1), ElementsAre("jobs/aside"));
}

GpuState Gpu(int64_t used_bytes) {
  GpuState state;
  state.memory_bytes = 80'000'000'000;
  state.used_bytes = used_bytes;
  return state;
}

v1::CreateJobRequest GpuRequest(const std::string& id) {
  v1::CreateJobRequest request = JobWorld::Request(id);
  request.mutable_job()->mutable_experiment()->mutable_resources()->set_gpus(1);
  return request;
}

TEST(JobQueue, GpuThatSomebodyElseUsesIsNotGivenUntilTheyLeave) {
  GpuState foreign = Gpu(5'000'000'000);
  foreign.processes.push_back({999999999, 5'000'000'000});
  ScriptedMonitor monitor({foreign});
  GpuGuard::Options options;
  options.look_interval = absl::Milliseconds(5);
  GpuGuard guard(monitor, Clock::Real(), options);
  JobWorld world;
  world.options().gpu_guard = &guard;
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  Create(world, JobWorld::kAna, GpuRequest("waits"));
  const v1::Job job =
      world.WaitUntil("waits", [](const v1::Job& job) { return !job.queue_reason().empty(); });
  EXPECT_EQ(job.queue_reason(), "waits for 1 GPU (0 free; gpu:0 in use by pid 999999999)");
  EXPECT_EQ(world.jobs().Devices()[0].unavailable, "in use by pid 999999999");
  monitor.Set(std::vector<GpuState>{Gpu(0)});
  EXPECT_EQ(world.WaitForEnd("waits").state(), v1::SUCCEEDED);
}

TEST(JobQueue, GpuOfAnEndedJobIsGivenAgainOnlyWhenItsMemoryIsFree) {
  ScriptedMonitor monitor({Gpu(0)});
  GpuGuard::Options options;
  options.look_interval = absl::Milliseconds(5);
  GpuGuard guard(monitor, Clock::Real(), options);
  JobWorld world;
  world.options().gpu_guard = &guard;
  world.launcher().Then([&](FakeRun& run) {
    run.Claim();
    run.StartRank();
    monitor.Set(std::vector<GpuState>{Gpu(40'000'000'000)});
    run.Model();
    run.Exit(v1::COMPLETED);
  });
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  Create(world, JobWorld::kAna, GpuRequest("first"));
  Create(world, JobWorld::kAna, GpuRequest("second"));
  EXPECT_EQ(world.WaitForEnd("first").state(), v1::SUCCEEDED);
  world.WaitUntil("second", [](const v1::Job& job) {
    return job.queue_reason() ==
           "waits for 1 GPU (0 free; gpu:0 gives back the memory of its last job)";
  });
  EXPECT_EQ(world.launcher().launches(), 1);
  monitor.Set(std::vector<GpuState>{Gpu(0)});
  EXPECT_EQ(world.WaitForEnd("second").state(), v1::SUCCEEDED);
}

}  // namespace
}  // namespace skytrain
