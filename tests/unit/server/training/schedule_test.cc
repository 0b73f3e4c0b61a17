#include "server/training/optim/schedule.h"

#include <cmath>

#include "gtest/gtest.h"

namespace skytrain::training {
namespace {

using Kind = spec::SchedulePlan::Kind;

spec::SchedulePlan Plan(Kind kind) {
  spec::SchedulePlan plan;
  plan.kind = kind;
  return plan;
}

TEST(ScheduleTest, ConstantStaysAtTheRate) {
  EXPECT_EQ(LearningRate(Plan(Kind::kConstant), 0.1, 0, 100, 10), 0.1);
  EXPECT_EQ(LearningRate(Plan(Kind::kConstant), 0.1, 99, 100, 10), 0.1);
}

TEST(ScheduleTest, CosineFallsFromTheRateToTheMinimum) {
  spec::SchedulePlan plan = Plan(Kind::kCosine);
  plan.min_lr = 0.01;
  EXPECT_DOUBLE_EQ(LearningRate(plan, 0.11, 0, 100, 10), 0.11);
  EXPECT_DOUBLE_EQ(LearningRate(plan, 0.11, 50, 100, 10), 0.06);
  EXPECT_NEAR(LearningRate(plan, 0.11, 99, 100, 10), 0.01, 1e-4);
}

TEST(ScheduleTest, CosineWarmsUpLinearly) {
  spec::SchedulePlan plan = Plan(Kind::kCosine);
  plan.warmup_epochs = 2.0;
  EXPECT_DOUBLE_EQ(LearningRate(plan, 1.0, 0, 100, 10), 0.05);
  EXPECT_DOUBLE_EQ(LearningRate(plan, 1.0, 9, 100, 10), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(plan, 1.0, 19, 100, 10), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(plan, 1.0, 20, 100, 10), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(plan, 1.0, 60, 100, 10), 0.5);
}

TEST(ScheduleTest, WarmUpLongerThanTheRunOnlyRises) {
  spec::SchedulePlan plan = Plan(Kind::kCosine);
  plan.warmup_epochs = 50.0;
  EXPECT_DOUBLE_EQ(LearningRate(plan, 1.0, 99, 100, 10), 1.0);
}

// Values of torch.optim.lr_scheduler.OneCycleLR(max_lr=0.1, total_steps=100).
TEST(ScheduleTest, OneCycleIsTorchs) {
  const spec::SchedulePlan plan = Plan(Kind::kOneCycle);
  EXPECT_NEAR(LearningRate(plan, 0.1, 0, 100, 10), 0.004, 1e-12);
  EXPECT_NEAR(LearningRate(plan, 0.1, 29, 100, 10), 0.1, 1e-12);
  EXPECT_NEAR(LearningRate(plan, 0.1, 64, 100, 10),
              4e-7 + (0.1 - 4e-7) / 2 * (1 + std::cos(M_PI * 35 / 70)), 1e-12);
  EXPECT_NEAR(LearningRate(plan, 0.1, 99, 100, 10), 4e-7, 1e-12);
}

TEST(ScheduleTest, OneCycleOfAFewStepsStaysWithinItsBounds) {
  for (int64_t total = 1; total <= 5; ++total) {
    for (int64_t step = 0; step < total; ++step) {
      const double lr = LearningRate(Plan(Kind::kOneCycle), 0.1, step, total, total);
      EXPECT_GE(lr, 4e-7 - 1e-12) << step << " of " << total;
      EXPECT_LE(lr, 0.1 + 1e-12) << step << " of " << total;
    }
  }
}

}  // namespace
}  // namespace skytrain::training
