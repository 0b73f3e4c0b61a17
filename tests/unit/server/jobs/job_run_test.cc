// Jobs from Create to their end, with scripted attempts.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<v1::JobState> StatesOf(const std::vector<v1::Event>& events) {
  std::vector<v1::JobState> states;
  for (const v1::Event& event : events) {
    if (event.has_state()) states.push_back(event.state().to());
  }
  return states;
}

TEST(JobRun, JobIsTrainedPublishedAndSucceeds) {
  JobWorld world;
  world.launcher().Then(TrainOneStep(0.5));
  world.Start();
  world.Create("first");
  const v1::Job job = world.WaitForEnd("first");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  EXPECT_EQ(job.termination().reason(), v1::COMPLETED);
  EXPECT_EQ(job.model(), "models/first/versions/1");
  EXPECT_EQ(job.metrics().at("train/loss"), 0.5);
  EXPECT_EQ(job.progress().step(), 1);
  ASSERT_EQ(job.attempts_size(), 1);
  EXPECT_EQ(job.attempts(0).end(), v1::COMPLETED);
  EXPECT_THAT(job.attempts(0).devices(), ElementsAre("cpu:0", "cpu:1"));

  const auto events = world.Events(job.uid());
  EXPECT_THAT(StatesOf(events), ElementsAre(v1::QUEUED, v1::STARTING, v1::RUNNING, v1::SUCCEEDED));
  EXPECT_EQ(job.last_seq(), static_cast<int64_t>(events.size()));
  EXPECT_TRUE(events.back().state().has_termination());
  EXPECT_TRUE(events[events.size() - 2].has_model());
}

TEST(JobRun, EventsThatNoClientCouldReadAreToldAsAGap) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.Metric("not UTF-8: \xff", 1, 0.5);
    v1::Event large;
    large.mutable_log()->set_data(std::string((3 << 20) + 1, 'x'));
    run.Emit(std::move(large));
    run.Metric("train/loss", 1, 0.5);
    run.Model();
    run.Result(v1::COMPLETED);
    run.Exit(v1::COMPLETED);
  });
  world.Start();
  world.Create("garbled");
  const v1::Job job = world.WaitForEnd("garbled");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  EXPECT_EQ(job.metrics_size(), 1);
  const auto events = world.Events(job.uid());
  EXPECT_EQ(CountMetrics(events), 1);
  int64_t lost = 0;
  for (const v1::Event& event : events) {
    if (event.gap().reason() == "events that cannot be read") lost += event.gap().records();
  }
  EXPECT_EQ(lost, 2);
}

TEST(JobRun, CancelledRunIsToldToStopAndEndsAsCancelled) {
  JobWorld world;
  world.launcher().Then(TrainUntilStopped());
  world.Start();
  world.Create("long");
  world.WaitForState("long", v1::RUNNING);
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "long").ok());
  const v1::Job job = world.WaitForEnd("long");
  EXPECT_EQ(job.state(), v1::CANCELLED);
  EXPECT_TRUE(job.termination().cancelled());
  EXPECT_EQ(world.launcher().pokes(), 1);
}

TEST(JobRun, CrashedWorkerIsTriedAgainFromTheNewestWholeCheckpoint) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.Metric("train/loss", 20, 0.7);
    run.Checkpoint(10);
    run.Checkpoint(20, /*whole=*/false);
    run.Exit(v1::WORKER_CRASHED, "The worker died of signal 11.", 11);
  });
  std::string resumed_from;
  world.launcher().Then([&](FakeRun& run) {
    resumed_from = run.dir().ReadSpec()->resume_from();
    run.Claim();
    run.StartRank(10);
    run.Exit(v1::COMPLETED);
  });
  world.Start();
  world.Create("crash");
  const v1::Job job = world.WaitForEnd("crash");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  ASSERT_EQ(job.attempts_size(), 2);
  EXPECT_EQ(job.attempts(0).end(), v1::WORKER_CRASHED);
  EXPECT_EQ(job.attempts(1).resumed_from_step(), 10);
  EXPECT_EQ(resumed_from, world.AttemptFolder(job, 1) + "/checkpoints/step-10");
  EXPECT_THAT(StatesOf(world.Events(job.uid())),
              ElementsAre(v1::QUEUED, v1::STARTING, v1::RUNNING, v1::QUEUED, v1::STARTING,
                          v1::RUNNING, v1::SUCCEEDED));
}

TEST(JobRun, ThirdCrashIsTheLast) {
  JobWorld world;
  for (int attempt = 0; attempt < 3; ++attempt) {
    world.launcher().Then([](FakeRun& run) {
      run.Claim();
      run.StartRank();
      run.Exit(v1::WORKER_CRASHED, "", 6);
    });
  }
  world.Start();
  world.Create("hopeless");
  const v1::Job job = world.WaitForEnd("hopeless");
  EXPECT_EQ(job.state(), v1::FAILED);
  EXPECT_EQ(job.attempts_size(), 3);
  EXPECT_THAT(job.termination().message(), HasSubstr("Given up after 3 attempts"));
}

TEST(JobRun, PauseBeforeARetryIsStoredWithIt) {
  JobWorld world;
  world.options().retry_rules.pause = absl::Hours(1);
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.Exit(v1::WORKER_CRASHED, "", 6);
  });
  world.Start();
  world.Create("patient");
  v1::Job job = world.WaitUntil("patient", [](const v1::Job& j) { return j.has_next_try_time(); });
  EXPECT_EQ(job.state(), v1::QUEUED);
  EXPECT_GT(job.next_try_time().seconds(), job.attempts(0).end_time().seconds() + 3000);
  world.Restart();
  EXPECT_EQ(world.Get("patient").next_try_time().seconds(), job.next_try_time().seconds());
}

TEST(JobRun, NonFiniteLossIsNotRetriedAndNamesTheCheckpoint) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.Checkpoint(180);
    run.Result(v1::NON_FINITE_LOSS, "The training loss became NaN at step 211.");
    run.Exit(v1::NON_FINITE_LOSS);
  });
  world.Start();
  world.Create("nan");
  const v1::Job job = world.WaitForEnd("nan");
  EXPECT_EQ(job.state(), v1::FAILED);
  EXPECT_EQ(job.termination().reason(), v1::NON_FINITE_LOSS);
  EXPECT_EQ(job.termination().message(),
            "The training loss became NaN at step 211. Last good checkpoint: step 180. Not "
            "retried: the same settings would fail the same way.");
}

TEST(JobRun, FailedLaunchFailsTheJobAndNoLateShepherdCanStart) {
  JobWorld world;
  for (int attempt = 0; attempt < 3; ++attempt) {
    world.launcher().ThenFail(absl::NotFoundError("no skytrain-shepherd"));
  }
  world.Start();
  world.Create("unlaunched");
  const v1::Job job = world.WaitForEnd("unlaunched");
  EXPECT_EQ(job.state(), v1::FAILED);
  EXPECT_EQ(job.termination().reason(), v1::LAUNCH_FAILED);
  EXPECT_THAT(job.termination().message(), HasSubstr("no skytrain-shepherd"));
  const AttemptDir dir(FileSystem::Posix(), world.AttemptFolder(job, 1));
  EXPECT_TRUE((*dir.ReadClaim())->has_abandoned());
}

TEST(JobRun, ModelThatCannotBePublishedFailsTheJob) {
  JobWorld world;
  world.options().publish_model = [](const v1::Job&, int, const std::string&) {
    return absl::StatusOr<v1::Model>(absl::DataLossError("model.json is missing"));
  };
  world.launcher().Then(TrainOneStep(0.5));
  world.Start();
  world.Create("unpublished");
  const v1::Job job = world.WaitForEnd("unpublished");
  EXPECT_EQ(job.state(), v1::FAILED);
  EXPECT_EQ(job.termination().reason(), v1::INTERNAL);
  EXPECT_THAT(job.termination().message(), HasSubstr("model.json is missing"));
}

TEST(JobRun, SearchForALearningRateSucceedsWithoutAModel) {
  JobWorld world;
  world.options().publish_model = [](const v1::Job&, int, const std::string&) {
    return absl::StatusOr<v1::Model>(absl::DataLossError("there is none"));
  };
  world.launcher().Then(TrainOneStep(0.5));
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("search");
  v1::Train& train = *request.mutable_job()->mutable_experiment()->mutable_train();
  train.clear_epochs();
  train.mutable_find_lr();
  ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  const v1::Job job = world.WaitForEnd("search");
  EXPECT_EQ(job.state(), v1::SUCCEEDED) << job.termination().message();
  EXPECT_EQ(job.model(), "");
}

TEST(JobRun, QueuedJobsStartInTheOrderOfTheirArrival) {
  JobWorld world;
  world.launcher().Then(TrainUntilStopped());
  world.launcher().Then(TrainOneStep(1));
  world.launcher().Then(TrainOneStep(2));
  world.Start();
  world.Create("job-a");
  world.WaitForState("job-a", v1::RUNNING);
  world.Create("job-b");
  world.Create("job-c");
  const auto waits_at = [](int position) {
    return [position](const v1::Job& job) { return job.queue_position() == position; };
  };
  world.WaitUntil("job-c", waits_at(2));
  world.WaitUntil("job-b", waits_at(1));
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "job-a").ok());
  EXPECT_EQ(world.WaitForEnd("job-b").metrics().at("train/loss"), 1);
  EXPECT_EQ(world.WaitForEnd("job-c").metrics().at("train/loss"), 2);
}

}  // namespace
}  // namespace skytrain
