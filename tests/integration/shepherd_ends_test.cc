// How the real shepherd reports the ways in which a run can end.
#include <gmock/gmock.h>

#include "tests/integration/shepherd_fixture.h"

namespace skytrain {
namespace {

using internal::v1::Control;
using internal::v1::ExitRecord;
using ::testing::HasSubstr;

class ShepherdEndsTest : public ShepherdFixture {};

TEST_F(ShepherdEndsTest, ACompletedRunIsReportedWithTheSizeOfEverySpool) {
  Create({{"fake.epochs", "2"}, {"fake.model", "1"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::COMPLETED) << record.DebugString();
  EXPECT_EQ(record.failed_rank(), -1);
  EXPECT_FALSE(record.killed_by_shepherd());
  ASSERT_EQ(record.spools_size(), 2);
  const auto spools = dir_.Spools();
  ASSERT_TRUE(spools.ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(record.spools(i).file(), (*spools)[i].first);
    EXPECT_EQ(record.spools(i).bytes(), static_cast<int64_t>((*spools)[i].second));
  }
  EXPECT_THAT(ReadWhole(dir_.ModelPath() + "/model.json"), HasSubstr("round"));
}

TEST_F(ShepherdEndsTest, TheSpoolsTellTheRunFromStartToEnd) {
  Create({{"fake.epochs", "2"}});
  RunToEnd();
  bool shepherd = false, started = false, result = false;
  for (const auto& record : Records()) {
    shepherd |= record.has_shepherd_started();
    started |= record.has_rank_started();
    result |= record.has_rank_result();
  }
  EXPECT_TRUE(shepherd && started && result);
  int64_t points = 0, checkpoints = 0, reports = 0;
  for (const v1::Event& event : Events()) {
    points += event.metrics().step_size();
    checkpoints += event.has_checkpoint() ? 1 : 0;
    reports += event.has_report() ? 1 : 0;
  }
  EXPECT_EQ(points, 2 * 10 + 2 * 2 + 1);
  EXPECT_EQ(checkpoints, 2);
  EXPECT_EQ(reports, 1);
  EXPECT_THAT(Log(0, v1::LogChunk::STREAM_STDOUT), HasSubstr("prints to stdout"));
  EXPECT_THAT(Log(-1, v1::LogChunk::STREAM_STDERR), HasSubstr("ended: COMPLETED"));
}

TEST_F(ShepherdEndsTest, AnExitCodeWithoutAResultIsACrashThatQuotesTheLastWords) {
  Create({{"fake.exit_code", "3"}, {"fake.stderr", "segment of the sky is missing"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::WORKER_CRASHED) << record.DebugString();
  EXPECT_EQ(record.failed_rank(), 0);
  EXPECT_EQ(record.exit_code(), 3);
  EXPECT_THAT(record.message(), HasSubstr("exit code 3"));
  EXPECT_THAT(record.message(), HasSubstr("segment of the sky is missing"));
}

TEST_F(ShepherdEndsTest, ASignalIsNamed) {
  Create({{"fake.signal", absl::StrCat(SIGSEGV)}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::WORKER_CRASHED) << record.DebugString();
  EXPECT_EQ(record.signal(), SIGSEGV);
  EXPECT_THAT(record.message(), HasSubstr("SIGSEGV"));
}

TEST_F(ShepherdEndsTest, AKillFromOutsideIsNotTakenForOurs) {
  Create({{"fake.hang", "1"}});
  const int shepherd = StartShepherd();
  kill(RankPid(0), SIGKILL);
  EXPECT_EQ(WaitFor(shepherd), 0);
  const ExitRecord record = Exit();
  EXPECT_FALSE(record.killed_by_shepherd());
  EXPECT_EQ(record.signal(), SIGKILL);
  EXPECT_TRUE(record.end() == v1::WORKER_CRASHED || record.end() == v1::OUT_OF_HOST_MEMORY);
}

TEST_F(ShepherdEndsTest, TheRanksOwnWordOnItsEndIsKept) {
  for (const char* end : {"NON_FINITE_LOSS", "INVALID_DATA", "OUT_OF_HOST_MEMORY", "DISK_FULL",
                          "CHECKPOINT_CORRUPT", "OUT_OF_GPU_MEMORY"}) {
    SCOPED_TRACE(end);
    dir_ = AttemptDir(FileSystem::Posix(), temp_.File(end));
    spec_.mutable_experiment()->clear_labels();
    Create({{"fake.end", end}, {"fake.message", "because of this"}});
    const ExitRecord record = RunToEnd();
    EXPECT_EQ(v1::AttemptEnd_Name(record.end()), end);
    EXPECT_EQ(record.message(), "because of this");
    EXPECT_EQ(record.failed_rank(), 0);
  }
}

TEST_F(ShepherdEndsTest, AWorkerThatIsNotThereIsALaunchFailure) {
  spec_.set_worker_binary("/no/such/worker");
  Create({});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::LAUNCH_FAILED) << record.DebugString();
  EXPECT_THAT(record.message(), HasSubstr("/no/such/worker"));
  EXPECT_THAT(record.message(), HasSubstr("No such file"));
}

TEST_F(ShepherdEndsTest, ASpecThatCannotBeReadIsALaunchFailure) {
  Create({});
  WriteWhole(dir_.SpecPath(), "\xff\xff\xff\xff");
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::LAUNCH_FAILED) << record.DebugString();
  EXPECT_THAT(record.message(), HasSubstr("attempt.binpb"));
}

TEST_F(ShepherdEndsTest, AStopLetsTheRankWriteACheckpointAndLeave) {
  for (const bool with_signal : {false, true}) {
    SCOPED_TRACE(with_signal);
    dir_ = AttemptDir(FileSystem::Posix(), temp_.File(absl::StrCat("stop-", with_signal)));
    spec_.mutable_experiment()->clear_labels();
    Create({{"fake.hang", "1"}});
    const int shepherd = StartShepherd();
    RankPid(0);
    Want(Control::WANT_STOP, 1);
    if (with_signal) kill(shepherd, SIGTERM);
    EXPECT_EQ(WaitFor(shepherd), 0);
    const ExitRecord record = Exit();
    EXPECT_EQ(record.end(), v1::STOPPED) << record.DebugString();
    EXPECT_FALSE(record.killed_by_shepherd());
    int checkpoints = 0;
    for (const v1::Event& event : Events()) checkpoints += event.has_checkpoint() ? 1 : 0;
    EXPECT_EQ(checkpoints, 1);
  }
}

TEST_F(ShepherdEndsTest, AStopThatIsThereBeforeTheRunStartsNoRank) {
  Create({{"fake.hang", "1"}});
  Want(Control::WANT_STOP, 1);
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::STOPPED);
  EXPECT_FALSE(FileSystem::Posix().Exists(dir_.RankSpoolPath(0)));
}

TEST_F(ShepherdEndsTest, ACheckpointIsWrittenOnRequestAndTheRunGoesOn) {
  Create({{"fake.hang", "1"}});
  const int shepherd = StartShepherd();
  RankPid(0);
  const auto checkpoints = [this] {
    int count = 0;
    for (const v1::Event& event : Events()) count += event.has_checkpoint() ? 1 : 0;
    return count;
  };
  Want(Control::WANT_CHECKPOINT, 1);
  kill(shepherd, SIGUSR1);
  ASSERT_TRUE(Eventually([&] { return checkpoints() == 1; }));
  Want(Control::WANT_CHECKPOINT, 2);
  kill(shepherd, SIGUSR1);
  ASSERT_TRUE(Eventually([&] { return checkpoints() == 2; }));
  Want(Control::WANT_STOP, 3);
  kill(shepherd, SIGUSR1);
  EXPECT_EQ(WaitFor(shepherd), 0);
  EXPECT_EQ(Exit().end(), v1::STOPPED);
}

TEST_F(ShepherdEndsTest, WhenOneOfTwoRanksDiesTheOtherIsStoppedAndTheFirstIsNamed) {
  spec_.set_world_size(2);
  Create({{"fake.rank0.hang", "1"}, {"fake.rank1.exit_code", "7"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::RANK_FAILED) << record.DebugString();
  EXPECT_EQ(record.failed_rank(), 1);
  EXPECT_EQ(record.exit_code(), 7);
  EXPECT_EQ(record.spools_size(), 3);
  EXPECT_THAT(Log(-1, v1::LogChunk::STREAM_STDERR), HasSubstr("rank 1 left with exit code 7"));
}

TEST_F(ShepherdEndsTest, TwoRanksThatCompleteAreACompletedRun) {
  spec_.set_world_size(2);
  Create({{"fake.epochs", "1"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::COMPLETED) << record.DebugString();
  EXPECT_THAT(Log(1, v1::LogChunk::STREAM_STDOUT), HasSubstr("rank 1"));
}

}  // namespace
}  // namespace skytrain
