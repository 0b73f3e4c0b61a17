// Limits, grace and quotas, as the real shepherd enforces them.
#include <gmock/gmock.h>

#include "tests/integration/shepherd_fixture.h"

namespace skytrain {
namespace {

using internal::v1::Control;
using internal::v1::ExitRecord;
using ::testing::HasSubstr;

class ShepherdLimitsTest : public ShepherdFixture {
 protected:
  static void Set(google::protobuf::Duration* duration, int milliseconds) {
    duration->set_seconds(milliseconds / 1000);
    duration->set_nanos(milliseconds % 1000 * 1000000);
  }
};

TEST_F(ShepherdLimitsTest, AfterTheGraceARankThatIgnoresTheRequestIsKilled) {
  Set(spec_.mutable_limits()->mutable_grace(), 200);
  Create({{"fake.hang", "1"}, {"fake.ignore_term", "1"}});
  const int shepherd = StartShepherd();
  RankPid(0);
  Want(Control::WANT_STOP, 1);
  kill(shepherd, SIGTERM);
  EXPECT_EQ(WaitFor(shepherd), 0);
  const ExitRecord record = Exit();
  EXPECT_EQ(record.end(), v1::STOPPED) << record.DebugString();
  EXPECT_TRUE(record.killed_by_shepherd());
  EXPECT_EQ(record.signal(), SIGKILL);
  EXPECT_THAT(record.message(), HasSubstr("killed"));
}

TEST_F(ShepherdLimitsTest, TheTimeLimitEndsTheRunWithACheckpoint) {
  Set(spec_.mutable_limits()->mutable_time(), 300);
  Create({{"fake.epochs", "1000000"}, {"fake.step_ms", "10"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::TIME_LIMIT) << record.DebugString();
  EXPECT_FALSE(record.killed_by_shepherd());
  EXPECT_THAT(record.message(), HasSubstr("limits.time"));
  int checkpoints = 0;
  for (const v1::Event& event : Events()) checkpoints += event.has_checkpoint() ? 1 : 0;
  EXPECT_GE(checkpoints, 1);
  const auto control = dir_.ReadControl();
  ASSERT_TRUE(control.ok() && control->has_value());
  EXPECT_EQ((*control)->cause(), Control::CAUSE_TIME_LIMIT);
}

TEST_F(ShepherdLimitsTest, ARunThatWritesNothingIsStalled) {
  Set(spec_.mutable_limits()->mutable_stall(), 300);
  Set(spec_.mutable_limits()->mutable_grace(), 100);
  Create({{"fake.hang", "1"}, {"fake.ignore_term", "1"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::STALLED) << record.DebugString();
  EXPECT_TRUE(record.killed_by_shepherd());
}

TEST_F(ShepherdLimitsTest, ARunThatMakesStepsIsNotStalled) {
  Set(spec_.mutable_limits()->mutable_stall(), 2000);
  Create({{"fake.epochs", "1"}, {"fake.steps", "60"}, {"fake.step_ms", "50"}});
  EXPECT_EQ(RunToEnd().end(), v1::COMPLETED);
}

TEST_F(ShepherdLimitsTest, LogBeyondTheQuotaIsDroppedAndToldByGaps) {
  spec_.set_log_quota_bytes(10000);
  Create({{"fake.epochs", "1"}, {"fake.log_bytes", "1000000"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::COMPLETED);
  const std::string kept = Log(0, v1::LogChunk::STREAM_STDOUT);
  EXPECT_EQ(kept.size(), 10000u);
  std::vector<v1::Gap> gaps;
  for (const v1::Event& event : Events()) {
    if (event.has_gap()) gaps.push_back(event.gap());
  }
  ASSERT_EQ(gaps.size(), 2u);
  EXPECT_THAT(gaps[0].reason(), HasSubstr("rank 0 stdout"));
  EXPECT_GE(gaps[1].records(), 990000);
}

TEST_F(ShepherdLimitsTest, WhatARankPrintsBeforeItDiesIsKeptWhole) {
  Create({{"fake.log_bytes", "3000000"}, {"fake.exit_code", "1"}});
  RunToEnd();
  EXPECT_GE(Log(0, v1::LogChunk::STREAM_STDOUT).size(), 3000000u);
}

}  // namespace
}  // namespace skytrain
