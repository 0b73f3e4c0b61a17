#include "server/shepherd/run_limits.h"

#include <gtest/gtest.h>

namespace skytrain {
namespace {

using internal::v1::Control;

class RunLimitsTest : public ::testing::Test {
 protected:
  FakeClock clock_{absl::FromUnixSeconds(1000000)};
  v1::Limits limits_;

  void SetUp() override {
    limits_.mutable_time()->set_seconds(100);
    limits_.mutable_stall()->set_seconds(30);
    limits_.mutable_grace()->set_seconds(5);
  }
};

TEST_F(RunLimitsTest, TheTimeLimitCountsFromTheStart) {
  RunLimits limits(limits_, clock_);
  for (int i = 1; i < 10; ++i) {
    clock_.Advance(absl::Seconds(10));
    limits.Observe(static_cast<uint64_t>(i));
    EXPECT_FALSE(limits.Exceeded().has_value()) << i;
  }
  EXPECT_EQ(limits.UntilNextDeadline(), absl::Seconds(10));
  clock_.Advance(absl::Seconds(10));
  limits.Observe(1000);
  EXPECT_EQ(limits.Exceeded(), Control::CAUSE_TIME_LIMIT);
}

TEST_F(RunLimitsTest, AStallCountsFromTheLastGrowth) {
  RunLimits limits(limits_, clock_);
  clock_.Advance(absl::Seconds(20));
  limits.Observe(10);
  clock_.Advance(absl::Seconds(20));
  limits.Observe(10);
  EXPECT_FALSE(limits.Exceeded().has_value());
  EXPECT_EQ(limits.UntilNextDeadline(), absl::Seconds(10));
  clock_.Advance(absl::Seconds(10));
  limits.Observe(10);
  EXPECT_EQ(limits.Exceeded(), Control::CAUSE_STALLED);
}

TEST_F(RunLimitsTest, WhatIsNotSetDoesNotEndARun) {
  RunLimits limits(v1::Limits(), clock_);
  EXPECT_EQ(limits.UntilNextDeadline(), absl::InfiniteDuration());
  clock_.Advance(absl::Hours(100000));
  EXPECT_FALSE(limits.Exceeded().has_value());
  EXPECT_EQ(limits.grace(), absl::Seconds(60));
}

TEST_F(RunLimitsTest, TheGraceBeginsWithTheRequest) {
  RunLimits limits(limits_, clock_);
  EXPECT_FALSE(limits.GraceOver());
  limits.BeginGrace();
  EXPECT_EQ(limits.UntilNextDeadline(), absl::Seconds(5));
  clock_.Advance(absl::Seconds(4));
  EXPECT_FALSE(limits.GraceOver());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(limits.GraceOver());
  EXPECT_EQ(limits.UntilNextDeadline(), absl::ZeroDuration());
}

TEST_F(RunLimitsTest, TheGraceCanBeShortenedNotLengthened) {
  for (const auto& [at_most, expected] : {std::pair(absl::Seconds(2), absl::Seconds(2)),
                                          std::pair(absl::Hours(1), absl::Seconds(5))}) {
    RunLimits limits(limits_, clock_);
    limits.BeginGrace(at_most);
    EXPECT_EQ(limits.grace(), expected);
  }
}

}  // namespace
}  // namespace skytrain
