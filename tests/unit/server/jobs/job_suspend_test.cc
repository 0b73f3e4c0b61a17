// Jobs that are set aside and go on.
#include <string>
#include <vector>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using internal::v1::Control;
using ::testing::HasSubstr;

// Trains to `step`, and leaves with a checkpoint when it is asked to stop.
FakeLauncher::Script TrainToCheckpoint(int64_t step) {
  return [step](FakeRun& run) {
    if (!run.Claim()) return;
    run.StartRank();
    if (!run.WaitForStop()) return;
    run.Checkpoint(step);
    run.Result(v1::STOPPED);
    run.Exit(v1::STOPPED);
  };
}

// Stays although it is asked to stop, until the file "may-go" is there.
FakeLauncher::Script StayUntilLetGo(v1::AttemptEnd end) {
  return [end](FakeRun& run) {
    if (!run.Claim()) return;
    run.StartRank();
    run.WaitForStop();
    run.WaitUntil([&run] { return FileSystem::Posix().Exists(run.dir().path() + "/may-go"); });
    run.Exit(end);
  };
}

void LetGo(JobWorld& world, const v1::Job& job) {
  WriteWhole(world.AttemptFolder(job, job.attempts_size()) + "/may-go", "");
}

TEST(SuspendJob, RunningJobGoesOnFromItsCheckpointWhenItIsResumed) {
  JobWorld world;
  world.launcher().Then(TrainToCheckpoint(40));
  std::string resumed_from;
  world.launcher().Then([&](FakeRun& run) {
    resumed_from = run.dir().ReadSpec()->resume_from();
    run.Claim();
    run.StartRank(40);
    run.Exit(v1::COMPLETED);
  });
  world.Start();
  world.Create("aside");
  world.WaitForState("aside", v1::RUNNING);
  ASSERT_TRUE(world.jobs().Suspend(JobWorld::kAna, "aside").ok());
  const v1::Job job = world.WaitForState("aside", v1::SUSPENDED);
  EXPECT_EQ(job.stop_cause(), v1::STOP_SUSPEND);
  EXPECT_EQ(job.attempts(0).end(), v1::STOPPED);
  EXPECT_FALSE(job.has_termination());
  const auto control = AttemptDir(FileSystem::Posix(), world.AttemptFolder(job, 1)).ReadControl();
  ASSERT_TRUE(control.ok() && control->has_value());
  EXPECT_EQ((*control)->cause(), Control::CAUSE_SUSPEND);
  EXPECT_TRUE((*control)->has_deadline());
  // It stays set aside over a restart.
  world.Restart();
  EXPECT_EQ(world.Get("aside").state(), v1::SUSPENDED);
  const auto resumed = world.jobs().Resume(JobWorld::kAna, "aside");
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->stop_cause(), v1::STOP_CAUSE_UNSPECIFIED);
  EXPECT_EQ(world.WaitForEnd("aside").state(), v1::SUCCEEDED);
  EXPECT_EQ(resumed_from, world.AttemptFolder(job, 1) + "/checkpoints/step-40");
}

TEST(SuspendJob, QueuedJobIsSetAsideAtOnceAndDoesNotStart) {
  JobWorld world;
  world.launcher().Then(TrainUntilStopped());
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("runs");
  world.WaitForState("runs", v1::RUNNING);
  world.Create("aside");
  const auto suspended = world.jobs().Suspend(JobWorld::kAna, "aside");
  ASSERT_TRUE(suspended.ok()) << suspended.status();
  EXPECT_EQ(suspended->state(), v1::SUSPENDED);
  const auto again = world.jobs().Suspend(JobWorld::kAna, "aside");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->last_seq(), suspended->last_seq());
  world.Create("next");
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "runs").ok());
  EXPECT_EQ(world.WaitForEnd("next").state(), v1::SUCCEEDED);
  EXPECT_EQ(world.Get("aside").state(), v1::SUSPENDED);
  EXPECT_EQ(world.jobs().Cancel(JobWorld::kAna, "aside")->state(), v1::CANCELLED);
}

TEST(SuspendJob, LaterCancelHoldsAndIsRecorded) {
  JobWorld world;
  world.launcher().Then(StayUntilLetGo(v1::STOPPED));
  world.Start();
  world.Create("both");
  const v1::Job job = world.WaitForState("both", v1::RUNNING);
  ASSERT_TRUE(world.jobs().Suspend(JobWorld::kAna, "both").ok());
  const auto cancelled = world.jobs().Cancel(JobWorld::kAna, "both");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::STOPPING);
  EXPECT_EQ(cancelled->stop_cause(), v1::STOP_CANCEL);
  EXPECT_EQ(ReasonOf(world.jobs().Suspend(JobWorld::kAna, "both").status()), "JOB_STOPPING");
  // The wish survives the daemon that took it.
  world.Restart();
  LetGo(world, job);
  EXPECT_EQ(world.WaitForEnd("both").state(), v1::CANCELLED);
  std::vector<std::string> messages;
  for (const v1::Event& event : world.Events(job.uid()))
    messages.push_back(event.state().message());
  EXPECT_THAT(messages,
              ::testing::IsSupersetOf({"suspended by its owner", "cancelled by its owner"}));
}

TEST(SuspendJob, JobThatCompletesAllTheSameIsASuccess) {
  JobWorld world;
  world.launcher().Then(StayUntilLetGo(v1::COMPLETED));
  world.Start();
  world.Create("late");
  const v1::Job job = world.WaitForState("late", v1::RUNNING);
  ASSERT_TRUE(world.jobs().Suspend(JobWorld::kAna, "late").ok());
  LetGo(world, job);
  EXPECT_EQ(world.WaitForEnd("late").state(), v1::SUCCEEDED);
}

TEST(ResumeJob, AnswersWhatTheJobIs) {
  JobWorld world;
  world.launcher().Then(StayUntilLetGo(v1::STOPPED));
  world.Start();
  world.Create("runs");
  const v1::Job job = world.WaitForState("runs", v1::RUNNING);
  // Asked again after an answer that was lost, or not suspended at all: it goes on anyway.
  EXPECT_EQ(world.jobs().Resume(JobWorld::kAna, "runs")->state(), v1::RUNNING);
  ASSERT_TRUE(world.jobs().Suspend(JobWorld::kAna, "runs").ok());
  const auto early = world.jobs().Resume(JobWorld::kAna, "runs");
  EXPECT_EQ(ReasonOf(early.status()), "JOB_NOT_SUSPENDED");
  EXPECT_THAT(early.status().message(), HasSubstr("once it is SUSPENDED"));
  LetGo(world, job);
  world.WaitForState("runs", v1::SUSPENDED);
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "runs").ok());
  const v1::Job ended = world.WaitForEnd("runs");
  EXPECT_EQ(ended.termination().reason(), v1::STOPPED);
  EXPECT_EQ(ReasonOf(world.jobs().Resume(JobWorld::kAna, "runs").status()), "JOB_NOT_SUSPENDED");
}

}  // namespace
}  // namespace skytrain
