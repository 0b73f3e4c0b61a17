// Looking for a learning rate: train.find_lr.
#include <cmath>

#include "absl/strings/match.h"
#include "run_fixture.h"
#include "server/training/optim/lr_range_test.h"

namespace skytrain::training {
namespace {

FileSystem& Posix() { return FileSystem::Posix(); }

TEST(LrRangeTest, RatesGrowByOneFactorFromMinToMax) {
  const LrRangeTest test({1e-6, 1.0, 7});
  EXPECT_DOUBLE_EQ(test.Rate(0), 1e-6);
  EXPECT_NEAR(test.Rate(3), 1e-3, 1e-12);
  EXPECT_NEAR(test.Rate(6), 1.0, 1e-9);
}

// Flat at 2, a fall that is steepest at 1e-2, then a break-out.
double Curve(double rate) {
  const double x = std::log10(rate);
  return 0.5 + 1.5 / (1 + std::exp(4 * (x + 2))) + std::exp(6 * x);
}

TEST(LrRangeTest, SuggestsTheSteepestFallAndEndsWhereTheLossBreaksOut) {
  LrRangeTest test({1e-7, 10.0, 100});
  while (test.Add(Curve(test.Rate(test.steps())))) {
  }
  EXPECT_LT(test.steps(), 99);
  EXPECT_GT(test.smoothed(), 4 * 0.5);
  ASSERT_TRUE(test.Suggestion().has_value());
  EXPECT_NEAR(std::log10(*test.Suggestion()), -2.0, 0.1);
}

TEST(LrRangeTest, NoiseOfTheFlatPartDoesNotMislead) {
  LrRangeTest test({1e-7, 10.0, 100});
  uint32_t noise = 1;
  bool more = true;
  while (more) {
    noise = noise * 1664525 + 1013904223;
    const double jitter = ((noise >> 16) % 1000 / 1000.0 - 0.5) * 0.2;
    more = test.Add(Curve(test.Rate(test.steps())) + jitter);
  }
  ASSERT_TRUE(test.Suggestion().has_value());
  EXPECT_NEAR(std::log10(*test.Suggestion()), -2.0, 0.5);
}

// A likelihood may be below 0: four times it would be lower still.
TEST(LrRangeTest, NegativeLossesDoNotEndIt) {
  LrRangeTest test({1e-7, 10.0, 50});
  while (test.Add(-3.0 - 0.01 * test.steps())) {
  }
  EXPECT_EQ(test.steps(), 50);
}

TEST(LrRangeTest, NothingIsSuggestedWhereTheLossOnlyRises) {
  LrRangeTest test({1e-7, 10.0, 40});
  while (test.Add(1.0 + 0.01 * test.steps())) {
  }
  EXPECT_FALSE(test.Suggestion().has_value());
  LrRangeTest empty({1e-7, 10.0, 40});
  EXPECT_FALSE(empty.Add(std::nan("")));
  EXPECT_EQ(empty.steps(), 0);
  EXPECT_FALSE(empty.Suggestion().has_value());
}

spec::TrainingPlan FindPlan() {
  spec::TrainingPlan plan = SmallPlan();
  plan.optimizer.kind = spec::OptimizerPlan::Kind::kSgd;
  plan.optimizer.weight_decay = 0.0;
  plan.find_lr = {1e-5, 1e5, 60};
  return plan;
}

TEST(FindLrTest, EndsWithASuggestionAndWritesNothing) {
  const MemoryDataset set = SmallImages();
  for (const auto kind : {spec::OptimizerPlan::Kind::kSgd, spec::OptimizerPlan::Kind::kMuon}) {
    const TempDir dir;
    spec::TrainingPlan plan = FindPlan();
    plan.optimizer.kind = kind;
    const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
    ASSERT_EQ(ran.outcome.end, v1::COMPLETED) << ran.status;
    const auto& rates = ran.metrics.at("find_lr/lr");
    EXPECT_LT(rates.size(), 60);
    EXPECT_EQ(rates.size(), ran.metrics.at("find_lr/loss").size());
    EXPECT_DOUBLE_EQ(rates[0].value, 1e-5);
    EXPECT_EQ(rates[0].step, 1);
    ASSERT_EQ(ran.metrics.at("find_lr/suggestion").size(), 1);
    const double suggestion = ran.metrics.at("find_lr/suggestion")[0].value;
    EXPECT_GT(suggestion, 1e-4);
    EXPECT_LT(suggestion, 10);
    EXPECT_TRUE(absl::StrContains(ran.outcome.message, "suggested learning rate"));
    EXPECT_FALSE(ran.metrics.contains("train/loss"));
    EXPECT_FALSE(Posix().Exists(dir.File("c")));
    EXPECT_EQ(ran.progress.back().phase(), "find_lr");
    const Ran again = RunTraining(Posix(), dir.File("c"), plan, set);
    EXPECT_EQ(again.metrics, ran.metrics);
  }
}

TEST(FindLrTest, StopEndsItWithoutACheckpoint) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  const Ran ran = RunTraining(Posix(), dir.File("c"), FindPlan(), set,
                              {.stop_phase = "find_lr", .stop_epoch = 0});
  EXPECT_EQ(ran.outcome.end, v1::STOPPED) << ran.status;
  EXPECT_TRUE(absl::StrContains(ran.outcome.message, "anew")) << ran.outcome.message;
  EXPECT_FALSE(Posix().Exists(dir.File("c")));
}

TEST(FindLrTest, FirstLossThatIsNotFiniteIsTheDatas) {
  const TempDir dir;
  std::vector<float> features(96, std::numeric_limits<float>::quiet_NaN());
  std::vector<int> labels;
  for (int i = 0; i < 96; ++i) labels.push_back(i % 2);
  const MemoryDataset set = MemoryDataset::Table(features, 1, labels, 2);
  spec::TrainingPlan plan = FindPlan();
  plan.model.family = spec::ModelPlan::Family::kMlp;
  plan.view.size = 0;
  plan.augment = {};
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  EXPECT_EQ(ran.outcome.end, v1::NON_FINITE_LOSS) << ran.status;
}

}  // namespace
}  // namespace skytrain::training
