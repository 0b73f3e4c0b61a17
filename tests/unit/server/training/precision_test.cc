#include "server/training/precision.h"

#include "absl/strings/match.h"
#include "common/errors.h"
#include "gtest/gtest.h"

namespace skytrain::training {
namespace {

using spec::Precision;

const c10::Device kCpu(c10::kCPU);

spec::TrainingPlan Plan(Precision precision) {
  spec::TrainingPlan plan;
  plan.precision = precision;
  return plan;
}

TEST(PrecisionTest, AutoIsBf16WhereTheProcessorMultipliesIt) {
  const auto picked = ResolvePrecision(Plan(Precision::kAuto), kCpu);
  ASSERT_TRUE(picked.ok()) << picked.status();
  EXPECT_EQ(*picked == Precision::kBf16, HasBf16Arithmetic() || HasAmx()) << InstructionSet();
}

TEST(PrecisionTest, AutoIsFp32ForSmallDenseNetworks) {
  spec::TrainingPlan plan = Plan(Precision::kAuto);
  plan.model.family = spec::ModelPlan::Family::kMlp;
  EXPECT_EQ(*ResolvePrecision(plan, kCpu), Precision::kFp32);
}

TEST(PrecisionTest, WhatIsAskedForIsTakenOrRefused) {
  EXPECT_EQ(*ResolvePrecision(Plan(Precision::kFp32), kCpu), Precision::kFp32);
  const auto bf16 = ResolvePrecision(Plan(Precision::kBf16), kCpu);
  if (HasBf16Arithmetic() || HasAmx()) {
    ASSERT_TRUE(bf16.ok()) << bf16.status();
    EXPECT_EQ(*bf16, Precision::kBf16);
    return;
  }
  EXPECT_EQ(ReasonOf(bf16.status()), "INVALID_EXPERIMENT");
  EXPECT_TRUE(absl::StrContains(bf16.status().message(), "say train.precision: auto"));
}

}  // namespace
}  // namespace skytrain::training
