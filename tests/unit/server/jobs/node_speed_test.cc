#include "server/jobs/node_speed.h"

#include "gtest/gtest.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

TEST(NodeSpeed, EpochIsArithmeticAndStepsOverSpeed) {
  v1::Estimate estimate;
  estimate.set_train_samples(1000);
  estimate.set_validation_samples(500);
  estimate.set_steps_per_epoch(100);
  estimate.set_flops_per_sample(2e9);
  EXPECT_NEAR(EpochSeconds(estimate, 1e12), (3000 + 500) * 2e9 / 1e12 + 0.03, 1e-9);
}

TEST(NodeSpeed, WiderVectorsAreTakenToBeFaster) {
  double before = 0;
  for (const Vectors vectors :
       {Vectors::kOther, Vectors::kAvx2, Vectors::kAvx512, Vectors::kBf16}) {
    EXPECT_GT(GuessedCoreFlops(vectors), before);
    before = GuessedCoreFlops(vectors);
  }
}

FakeLauncher::Script TrainAt(double images_per_second) {
  return [images_per_second](FakeRun& run) {
    if (!run.Claim()) return;
    run.StartRank();
    run.Metric("images_per_second", 10, images_per_second);
    run.Model();
    run.Exit(v1::COMPLETED);
  };
}

v1::Estimate DryRun(JobWorld& world) {
  v1::CreateJobRequest request = JobWorld::Request("dry");
  request.set_validate_only(true);
  const auto response = world.jobs().Create(JobWorld::kAna, request);
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? response->estimate() : v1::Estimate();
}

TEST(NodeSpeed, IsGuessedUntilAJobWasMeasuredAndKeptOverARestart) {
  JobWorld world;
  world.launcher().Then(TrainAt(100));
  world.launcher().Then(TrainAt(400));
  world.Start();
  const v1::Estimate guess = DryRun(world);
  EXPECT_FALSE(guess.speed_measured());
  EXPECT_GT(guess.flops_per_sample(), 1e8);
  EXPECT_GT(guess.epoch_seconds(), 0);
  world.Create("first");
  world.WaitForEnd("first");
  world.Restart();  // Also waits until the job's speed was stored.
  const v1::Estimate measured = DryRun(world);
  EXPECT_TRUE(measured.speed_measured());
  // 900 images at 100 a second, and the validation split.
  EXPECT_NEAR(measured.epoch_seconds(), 9 + 100 / 300.0, 0.1);
  world.Create("second");
  world.WaitForEnd("second");
  world.Restart();
  // A third of the way from 100 to 400 images a second.
  EXPECT_NEAR(DryRun(world).epoch_seconds(), (9 + 100 / 300.0) / 2, 0.1);
}

TEST(NodeSpeed, StepsOfTwoPassesSayNothingOfItAndTakeTwiceAsLong) {
  JobWorld world;
  world.launcher().Then(TrainAt(100));
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("flat");
  request.mutable_job()->mutable_experiment()->mutable_optimizer()->mutable_sam();
  const auto created = world.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_NEAR(created->estimate().epoch_seconds(), 2 * DryRun(world).epoch_seconds(), 1e-6);
  world.WaitForEnd("flat");
  world.Restart();
  EXPECT_FALSE(DryRun(world).speed_measured());
}

TEST(NodeSpeed, TinyModelsSayNothingOfIt) {
  JobWorld world;
  world.launcher().Then(TrainAt(1e6));
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("tiny");
  request.mutable_job()->mutable_experiment()->mutable_data()->mutable_image()->set_size(8);
  request.mutable_job()->mutable_experiment()->mutable_model()->mutable_mlp()->add_hidden(4);
  ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  world.WaitForEnd("tiny");
  world.Restart();
  EXPECT_FALSE(DryRun(world).speed_measured());
}

}  // namespace
}  // namespace skytrain
