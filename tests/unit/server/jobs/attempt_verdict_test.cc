#include "server/jobs/attempt_verdict.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

constexpr v1::StopCause kNone = v1::STOP_CAUSE_UNSPECIFIED;

internal::v1::ExitRecord Exit(v1::AttemptEnd end, const char* message = "", int signal = 0) {
  internal::v1::ExitRecord exit;
  exit.set_end(end);
  exit.set_message(message);
  exit.set_signal(signal);
  return exit;
}

internal::v1::RankResult Result(v1::AttemptEnd end, const char* message = "") {
  internal::v1::RankResult result;
  result.set_end(end);
  result.set_message(message);
  return result;
}

TEST(AttemptVerdict, RankSaysMoreThanTheShepherdSaw) {
  const AttemptVerdict verdict =
      JudgeExit(Exit(v1::WORKER_CRASHED, "exit code 1"), Result(v1::DISK_FULL, "disk full"));
  EXPECT_EQ(verdict.end, v1::DISK_FULL);
  EXPECT_EQ(verdict.message, "disk full");
}

TEST(AttemptVerdict, SignalAfterTheResultIsACrash) {
  const AttemptVerdict verdict =
      JudgeExit(Exit(v1::WORKER_CRASHED, "signal 11", 11), Result(v1::COMPLETED));
  EXPECT_EQ(verdict.end, v1::WORKER_CRASHED);
}

TEST(AttemptVerdict, ShepherdsOwnLimitsStand) {
  EXPECT_EQ(JudgeExit(Exit(v1::TIME_LIMIT), Result(v1::STOPPED)).end, v1::TIME_LIMIT);
}

TEST(AttemptVerdict, EndWithoutWordsGetsWordsAndAdvice) {
  EXPECT_THAT(JudgeExit(Exit(v1::STALLED), {}).message, HasSubstr("limits.stall"));
}

TEST(AttemptVerdict, RecordWithoutAnEndIsAnInternalError) {
  EXPECT_EQ(JudgeExit(Exit(v1::ATTEMPT_END_UNSPECIFIED), {}).end, v1::INTERNAL);
}

TEST(AttemptVerdict, LostProcessesAreTheNodesFaultOnlyAfterAReboot) {
  EXPECT_EQ(JudgeLost(false).end, v1::SHEPHERD_LOST);
  EXPECT_EQ(JudgeLost(true).end, v1::NODE_LOST);
}

// A job whose attempts ended so; the newest one's end is not recorded yet.
v1::Job JobAfter(std::vector<v1::AttemptEnd> ends, v1::StopCause cause = kNone) {
  v1::Job job;
  job.set_stop_cause(cause);
  for (const v1::AttemptEnd end : ends) job.add_attempts()->set_end(end);
  job.add_attempts();
  return job;
}

TEST(JobVerdict, EachEndLeadsSomewhere) {
  for (int value = v1::COMPLETED; value <= v1::AttemptEnd_MAX; ++value) {
    if (!v1::AttemptEnd_IsValid(value)) continue;
    const auto end = static_cast<v1::AttemptEnd>(value);
    SCOPED_TRACE(v1::AttemptEnd_Name(end));
    const JobEventType event = JudgeJob({end, ""}, JobAfter({}), {}, std::nullopt).event;
    switch (end) {
      case v1::COMPLETED:
        EXPECT_EQ(event, JobEventType::kCompleted);
        break;
      case v1::STOPPED:
      case v1::PREEMPTED:
        EXPECT_EQ(event, JobEventType::kStopped);
        break;
      default:
        EXPECT_EQ(event, MayRetry(end) ? JobEventType::kRetry : JobEventType::kFailed);
    }
    const v1::Job third = JobAfter({v1::WORKER_CRASHED, v1::WORKER_CRASHED});
    EXPECT_NE(JudgeJob({end, ""}, third, {}, std::nullopt).event, JobEventType::kRetry);
    const v1::Job cancelled = JobAfter({}, v1::STOP_CANCEL);
    EXPECT_NE(JudgeJob({end, ""}, cancelled, {}, std::nullopt).event, JobEventType::kRetry);
  }
}

TEST(JobVerdict, StopCauseSaysWhereAStoppedAttemptLeads) {
  struct Case {
    v1::AttemptEnd end;
    v1::StopCause cause;
    JobEventType event;
  };
  const Case cases[] = {
      {v1::STOPPED, v1::STOP_CANCEL, JobEventType::kStopped},
      {v1::STOPPED, v1::STOP_SUSPEND, JobEventType::kSuspended},
      {v1::PREEMPTED, v1::STOP_PREEMPT, JobEventType::kPreempted},
      // What may be tried again goes on from its checkpoint; what cannot is a failure all the same.
      {v1::WORKER_CRASHED, v1::STOP_SUSPEND, JobEventType::kSuspended},
      {v1::NODE_LOST, v1::STOP_PREEMPT, JobEventType::kPreempted},
      {v1::NON_FINITE_LOSS, v1::STOP_SUSPEND, JobEventType::kFailed},
      {v1::INVALID_DATA, v1::STOP_PREEMPT, JobEventType::kFailed},
      {v1::NON_FINITE_LOSS, v1::STOP_CANCEL, JobEventType::kStopped},
      // The wish came too late.
      {v1::COMPLETED, v1::STOP_CANCEL, JobEventType::kCompleted},
      {v1::COMPLETED, v1::STOP_SUSPEND, JobEventType::kCompleted},
      {v1::COMPLETED, v1::STOP_PREEMPT, JobEventType::kCompleted},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::StrCat(v1::AttemptEnd_Name(c.end), " ", v1::StopCause_Name(c.cause)));
    EXPECT_EQ(JudgeJob({c.end, ""}, JobAfter({}, c.cause), {}, std::nullopt).event, c.event);
  }
}

TEST(AttemptVerdict, StopIsNamedByTheCauseThatHoldsInTheEnd) {
  EXPECT_EQ(EndAsAsked(v1::STOPPED, v1::STOP_PREEMPT), v1::PREEMPTED);
  EXPECT_EQ(EndAsAsked(v1::PREEMPTED, v1::STOP_CANCEL), v1::STOPPED);
  EXPECT_EQ(EndAsAsked(v1::WORKER_CRASHED, v1::STOP_PREEMPT), v1::WORKER_CRASHED);
}

TEST(JobVerdict, AttemptsThatWereAskedToStopAreNoTries) {
  const v1::Job job = JobAfter({v1::PREEMPTED, v1::WORKER_CRASHED, v1::STOPPED});
  EXPECT_EQ(JudgeJob({v1::WORKER_CRASHED, ""}, job, {}, std::nullopt).event, JobEventType::kRetry);
}

TEST(JobVerdict, JobsOwnBoundGoesFirst) {
  v1::Job job = JobAfter({v1::WORKER_CRASHED, v1::WORKER_CRASHED, v1::WORKER_CRASHED});
  job.mutable_experiment()->mutable_retry()->set_max_attempts(5);
  const JobVerdict verdict = JudgeJob({v1::WORKER_CRASHED, ""}, job, {}, std::nullopt);
  EXPECT_EQ(verdict.event, JobEventType::kRetry);
  EXPECT_EQ(verdict.pause, absl::Seconds(16));
  job = JobAfter({});
  job.mutable_experiment()->mutable_retry()->set_max_attempts(1);
  EXPECT_EQ(JudgeJob({v1::WORKER_CRASHED, ""}, job, {}, std::nullopt).message,
            "Given up after 1 attempt.");
}

TEST(JobVerdict, WhatWasSaidBeforeEndsAsASentence) {
  EXPECT_EQ(JudgeJob({v1::INVALID_DATA, "no images"}, JobAfter({}), {}, std::nullopt).message,
            "no images. Not retried: the same settings would fail the same way.");
}

TEST(JobVerdict, RetrySaysWhereItGoesOn) {
  EXPECT_THAT(JudgeJob({v1::WORKER_CRASHED, "x."}, JobAfter({}), {}, 40).message,
              HasSubstr("Trying again in 2s from the checkpoint of step 40"));
  EXPECT_THAT(JudgeJob({v1::WORKER_CRASHED, "x."}, JobAfter({}), {}, std::nullopt).message,
              HasSubstr("from the beginning"));
}

}  // namespace
}  // namespace skytrain
