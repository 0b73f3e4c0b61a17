// What a new daemon makes of what a killed one left behind. The windows between two steps of an
// attempt have tests of their own in window_test.cc.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/job_rows.h"
#include "skytrain/internal/v1/record.pb.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

TEST(JobRecovery, QueuedJobStartsUnderTheNextDaemon) {
  JobWorld world;
  world.launcher().Then(TrainUntilStopped());
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("running");
  world.WaitForState("running", v1::RUNNING);
  world.Create("queued");
  world.Restart();
  EXPECT_EQ(world.Get("queued").state(), v1::QUEUED);
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "running").ok());
  EXPECT_EQ(world.WaitForEnd("queued").state(), v1::SUCCEEDED);
}

TEST(JobRecovery, RunningJobIsTakenUpAndEveryEventIsThereOnce) {
  JobWorld world;
  Steps steps;
  world.launcher().Then([&](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.Metric("train/loss", 1, 0.9);
    steps.Await(run, 1);
    run.Metric("train/loss", 2, 0.8);
    steps.Await(run, 2);
    run.Metric("train/loss", 3, 0.7);
    run.Exit(v1::COMPLETED);
  });
  world.Start();
  world.Create("survivor");
  world.WaitUntil("survivor", [](const v1::Job& job) { return job.progress().step() == 1; });
  world.Stop();
  steps.Allow(1);  // Written while there is no daemon.
  world.Start();
  world.WaitUntil("survivor", [](const v1::Job& job) { return job.progress().step() == 2; });
  world.Restart();
  steps.Allow(2);
  const v1::Job job = world.WaitForEnd("survivor");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  EXPECT_EQ(job.attempts_size(), 1);
  EXPECT_EQ(world.launcher().launches(), 1);
  EXPECT_EQ(CountMetrics(world.Events(job.uid())), 3);
}

TEST(JobRecovery, EndWhoseLastBytesNeverArriveIsSettledAfterABoundedWaitWithAGap) {
  JobWorld world;
  world.options().settle_timeout = absl::Milliseconds(50);
  world.launcher().Then([&](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.Metric("train/loss", 1, 0.5);
    run.Exit(v1::COMPLETED, "", 0, /*missing_bytes=*/100);
  });
  world.Start();
  world.Create("short");
  const v1::Job job = world.WaitForEnd("short");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  const auto events = world.Events(job.uid());
  EXPECT_EQ(CountMetrics(events), 1);
  EXPECT_THAT(GapsOf(events), ::testing::ElementsAre(HasSubstr("did not arrive in time")));
}

TEST(JobRecovery, UnreadableJobMovesToLostAndFoundAndTheOthersRun) {
  JobWorld world;
  world.options().gpu_devices = {};
  std::vector<std::string> log;
  world.options().log = [&](absl::string_view line) { log.emplace_back(line); };
  world.launcher().Then(TrainUntilStopped());
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("running");
  world.WaitForState("running", v1::RUNNING);
  const std::string broken = world.Create("broken").uid();
  world.Create("healthy");
  ASSERT_TRUE(world.database()
                  .Write(Database::Priority::kControl,
                         [&](Connection& connection) -> absl::Status {
                           JobRow row;
                           row.uid = broken;
                           row.state = v1::QUEUED;
                           row.snapshot = "\xff\xff\xff";
                           return UpdateJob(connection, row);
                         })
                  .ok());
  world.Restart();
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "running").ok());
  EXPECT_EQ(world.WaitForEnd("healthy").state(), v1::SUCCEEDED);
  world.Stop();
  EXPECT_THAT(log, ::testing::Contains(HasSubstr("it was moved to lost+found")));
  FileSystem& fs = FileSystem::Posix();
  const std::string lost = absl::StrCat(world.options().lost_and_found_dir, "/", broken);
  EXPECT_THAT(*fs.ReadFile(lost + "/why.txt", 4096), HasSubstr("id broken\nowner ana\n"));
  EXPECT_EQ(*fs.ReadFile(lost + "/snapshot.binpb", 4096), "\xff\xff\xff");
  v1::WatchEventsResponse events;
  EXPECT_TRUE(events.ParseFromString(*fs.ReadFile(lost + "/events.binpb", 4096)));
  ASSERT_EQ(events.events_size(), 1);
  EXPECT_EQ(events.events(0).state().to(), v1::QUEUED);
  world.Start();
  EXPECT_TRUE(absl::IsNotFound(world.jobs().Get(JobWorld::kAna, "broken").status()));
  EXPECT_TRUE(world.Events(broken).empty());
}

TEST(JobRecovery, UnreadableJobThatRunsIsAskedToStopBeforeItIsSetAside) {
  JobWorld world;
  std::atomic<bool> gone{false};
  world.launcher().Then([&](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.WaitForStop();
    run.Exit(v1::STOPPED);
    gone = true;
  });
  world.Start();
  const std::string uid = world.Create("broken").uid();
  world.WaitForState("broken", v1::RUNNING);
  ASSERT_TRUE(world.database()
                  .Write(Database::Priority::kControl,
                         [&](Connection& connection) {
                           return PutAttempt(connection, uid, {1, "\xff\xff\xff", ""});
                         })
                  .ok());
  world.Restart();
  while (!gone) std::this_thread::yield();
  world.Restart();
  EXPECT_TRUE(absl::IsNotFound(world.jobs().Get(JobWorld::kAna, "broken").status()));
  EXPECT_TRUE(FileSystem::Posix().Exists(
      absl::StrCat(world.options().lost_and_found_dir, "/", uid, "/", uid, "-1/exit.binpb")));
  EXPECT_FALSE(
      FileSystem::Posix().Exists(absl::StrCat(world.options().attempts_dir, "/", uid, "-1")));
}

TEST(JobRecovery, ModelOfARunThatEndedBeforeTheCommitIsPublishedAgain) {
  JobWorld world;
  std::atomic<int> asked{0};
  auto publish = world.options().publish_model;
  world.options().publish_model = [&](const v1::Job& job, int attempt, const std::string& dir) {
    // The first time the daemon is stopped meanwhile, so the end is not stored.
    if (++asked == 1) {
      while (asked == 1) std::this_thread::yield();
    }
    return publish(job, attempt, dir);
  };
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("twice");
  while (asked == 0) std::this_thread::yield();
  std::thread release([&] {
    // Stop() below has set the stop flag long before, or the job just ends here: both are right.
    asked = 2;
  });
  world.Stop();
  release.join();
  world.Start();
  const v1::Job job = world.WaitForEnd("twice");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  EXPECT_EQ(job.model(), "models/twice/versions/1");
  int published = 0;
  for (const v1::Event& event : world.Events(job.uid())) published += event.has_model();
  EXPECT_EQ(published, 1);
}

}  // namespace
}  // namespace skytrain
