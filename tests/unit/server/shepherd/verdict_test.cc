#include "server/shepherd/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace skytrain {
namespace {

using internal::v1::Control;
using internal::v1::ExitRecord;
using ::testing::HasSubstr;

RankOutcome Left(int rank, int exit_code, v1::AttemptEnd end = v1::ATTEMPT_END_UNSPECIFIED) {
  RankOutcome outcome;
  outcome.rank = rank;
  outcome.exit.exit_code = exit_code;
  outcome.has_spool = true;
  if (end != v1::ATTEMPT_END_UNSPECIFIED) {
    outcome.result.emplace();
    outcome.result->set_end(end);
    outcome.result->set_message(v1::AttemptEnd_Name(end) + " it is");
  }
  return outcome;
}

RankOutcome Died(int rank, int signal) {
  RankOutcome outcome;
  outcome.rank = rank;
  outcome.exit.signal = signal;
  outcome.has_spool = true;
  return outcome;
}

RunOutcome Outcome(std::vector<RankOutcome> ranks,
                   Control::Cause cause = Control::CAUSE_UNSPECIFIED, bool killed = false) {
  RunOutcome run;
  run.ranks = std::move(ranks);
  run.stop_cause = cause;
  run.killed = killed;
  run.grace = absl::Seconds(60);
  return run;
}

struct Case {
  const char* what;
  RunOutcome run;
  v1::AttemptEnd end;
  int failed_rank;
};

TEST(VerdictTest, KillForMemoryIsNamedWithBothNumbers) {
  RunOutcome run = Outcome({Died(0, SIGKILL), Died(1, SIGKILL)});
  run.killed = true;
  run.memory_bytes = int64_t{3} << 30;
  run.memory_limit_bytes = int64_t{2} << 30;
  const ExitRecord record = Judge(run);
  EXPECT_EQ(record.end(), v1::OUT_OF_HOST_MEMORY);
  EXPECT_TRUE(record.killed_by_shepherd());
  EXPECT_THAT(record.message(), HasSubstr("held 3072 MiB of memory, more than the 2048 MiB"));
}

TEST(VerdictTest, NamesTheEndAndTheFirstFailedRank) {
  const std::vector<Case> cases = {
      {"all completed", Outcome({Left(0, 0, v1::COMPLETED)}), v1::COMPLETED, -1},
      {"stopped when asked", Outcome({Left(0, 0, v1::STOPPED)}, Control::CAUSE_USER), v1::STOPPED,
       -1},
      {"completed although asked to stop",
       Outcome({Left(0, 0, v1::COMPLETED)}, Control::CAUSE_USER), v1::COMPLETED, -1},
      {"stopped at the time limit", Outcome({Left(0, 0, v1::STOPPED)}, Control::CAUSE_TIME_LIMIT),
       v1::TIME_LIMIT, -1},
      {"killed when stalled", Outcome({Died(0, SIGKILL)}, Control::CAUSE_STALLED, true),
       v1::STALLED, -1},
      {"killed after a request", Outcome({Died(0, SIGKILL)}, Control::CAUSE_USER, true),
       v1::STOPPED, -1},
      {"died of our SIGTERM", Outcome({Died(0, SIGTERM)}, Control::CAUSE_USER), v1::STOPPED, -1},
      {"died of another's SIGTERM", Outcome({Died(0, SIGTERM)}), v1::WORKER_CRASHED, 0},
      {"an allocation failed",
       [] {
         RankOutcome rank = Died(0, SIGABRT);
         rank.last_words = "terminate called after throwing an instance of 'std::bad_alloc'\n";
         return Outcome({rank});
       }(),
       v1::OUT_OF_HOST_MEMORY, 0},
      {"killed by somebody else", Outcome({Died(0, SIGKILL)}, Control::CAUSE_USER),
       v1::WORKER_CRASHED, 0},
      {"crashed while it was stopping", Outcome({Died(0, SIGSEGV)}, Control::CAUSE_USER),
       v1::WORKER_CRASHED, 0},
      {"exit code", Outcome({Left(0, 9)}), v1::WORKER_CRASHED, 0},
      {"left without a word", Outcome({Left(0, 0)}), v1::WORKER_CRASHED, 0},
      {"own word", Outcome({Left(0, 1, v1::NON_FINITE_LOSS)}), v1::NON_FINITE_LOSS, 0},
      {"own word and exit code 0", Outcome({Left(0, 0, v1::INVALID_DATA)}), v1::INVALID_DATA, 0},
      {"first of two",
       Outcome({Died(1, SIGBUS), Left(0, 1, v1::INVALID_DATA)}, Control::CAUSE_RANK_FAILED),
       v1::RANK_FAILED, 1},
      {"the victim was faster",
       Outcome({Left(0, 1, v1::RANK_FAILED), Left(1, 1, v1::OUT_OF_GPU_MEMORY)},
               Control::CAUSE_RANK_FAILED),
       v1::OUT_OF_GPU_MEMORY, 1},
      {"only victims", Outcome({Left(0, 1, v1::RANK_FAILED), Left(1, 1, v1::RANK_FAILED)}),
       v1::RANK_FAILED, 0},
      {"others killed after a failure",
       Outcome({Left(1, 1, v1::DISK_FULL), Died(0, SIGKILL)}, Control::CAUSE_RANK_FAILED, true),
       v1::DISK_FULL, 1},
      {"stopped for a higher priority", Outcome({Left(0, 0, v1::STOPPED)}, Control::CAUSE_PREEMPT),
       v1::PREEMPTED, -1},
      {"stopped to be suspended", Outcome({Left(0, 0, v1::STOPPED)}, Control::CAUSE_SUSPEND),
       v1::STOPPED, -1},
      {"stopped before any rank", Outcome({}, Control::CAUSE_USER), v1::STOPPED, -1},
      {"completed, but did not leave",
       [] {
         RankOutcome rank = Died(0, SIGKILL);
         rank.result.emplace();
         rank.result->set_end(v1::COMPLETED);
         return Outcome({rank}, Control::CAUSE_STALLED, true);
       }(),
       v1::COMPLETED, -1},
  };
  for (const Case& c : cases) {
    const ExitRecord record = Judge(c.run);
    EXPECT_EQ(record.end(), c.end) << c.what << ": " << record.DebugString();
    EXPECT_EQ(record.failed_rank(), c.failed_rank) << c.what;
    EXPECT_EQ(record.killed_by_shepherd(), c.run.killed) << c.what;
  }
}

TEST(VerdictTest, AKillWhileTheOomKillerStruckIsOutOfMemory) {
  RankOutcome rank = Died(0, SIGKILL);
  rank.oom_kill = true;
  const ExitRecord record = Judge(Outcome({rank}));
  EXPECT_EQ(record.end(), v1::OUT_OF_HOST_MEMORY);
  EXPECT_THAT(record.message(), HasSubstr("batch_size"));
}

TEST(VerdictTest, AProgramThatCannotBeLoadedIsALaunchFailure) {
  RankOutcome rank = Left(0, 127);
  rank.has_spool = false;
  rank.last_words = "one\nerror while loading shared libraries: libc10.so\n\n";
  const ExitRecord record = Judge(Outcome({rank}));
  EXPECT_EQ(record.end(), v1::LAUNCH_FAILED);
  EXPECT_THAT(record.message(), HasSubstr("error while loading shared libraries: libc10.so"));
}

TEST(VerdictTest, AKillSaysForHowLongItWaited) {
  EXPECT_THAT(Judge(Outcome({Died(0, SIGKILL)}, Control::CAUSE_USER, true)).message(),
              HasSubstr("1m"));
}

}  // namespace
}  // namespace skytrain
