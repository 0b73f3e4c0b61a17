#include "server/jobs/attempt_verdict.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/utf8.h"

namespace skytrain {
namespace {

constexpr size_t kLongestMessage = 16 << 10;  // It is part of the job, which every list shows.

// What is said of each end when the run itself left no words, and what to try.
struct EndText {
  v1::AttemptEnd end;
  absl::string_view what;
  absl::string_view advice;
};

constexpr EndText kTexts[] = {
    {v1::TIME_LIMIT, "The attempt reached its time limit.",
     "Raise limits.time, or train fewer epochs."},
    {v1::OUT_OF_GPU_MEMORY, "The GPU's memory ran out.", "Lower train.batch_size."},
    {v1::OUT_OF_HOST_MEMORY, "The machine's memory ran out, and the kernel ended the worker.",
     "Lower train.batch_size, or use a smaller data.image.size."},
    {v1::DISK_FULL, "The disk is full.", "Free some space, then submit again."},
    {v1::NON_FINITE_LOSS, "The training loss became NaN or infinite.",
     "Lower the learning rate, or set train.clip_grad_norm."},
    {v1::STALLED, "No step was done for longer than limits.stall.",
     "Look at the logs; raise limits.stall when a step may take that long."},
    {v1::INVALID_DATA, "The data set cannot be used.", "Look at the logs for the files."},
    {v1::CHECKPOINT_CORRUPT, "The checkpoint to resume from is damaged.", "Submit the job anew."},
    {v1::LAUNCH_FAILED, "The attempt could not be started.", "Look at the daemon's log."},
    {v1::WORKER_CRASHED, "The worker crashed.", "Look at the logs of the job."},
    {v1::RANK_FAILED, "A rank failed.", "Look at the logs of the job."},
    {v1::INTERNAL, "skytrain failed.", "Look at the logs of the job and of the daemon."},
};

const EndText* TextOf(v1::AttemptEnd end) {
  for (const EndText& text : kTexts) {
    if (text.end == end) return &text;
  }
  return nullptr;
}

// How the attempts that count against the bound of retries ended: not those that were asked to
// stop. `newest`: of the one whose end is not recorded yet.
std::vector<v1::AttemptEnd> TriesOf(const v1::Job& job, v1::AttemptEnd newest) {
  std::vector<v1::AttemptEnd> tries;
  for (int i = 0; i + 1 < job.attempts_size(); ++i) {
    const v1::AttemptEnd end = job.attempts(i).end();
    // It never started: the daemon had died. That says nothing about the job.
    if (end == v1::SHEPHERD_LOST && !job.attempts(i).has_start_time()) continue;
    if (end != v1::STOPPED && end != v1::PREEMPTED) tries.push_back(end);
  }
  tries.push_back(newest);
  return tries;
}

// The shepherd saw a rank go, but not why.
bool IsVague(v1::AttemptEnd end) {
  return end == v1::ATTEMPT_END_UNSPECIFIED || end == v1::WORKER_CRASHED || end == v1::RANK_FAILED;
}

}  // namespace

AttemptVerdict JudgeExit(const internal::v1::ExitRecord& exit,
                         const internal::v1::RankResult& result) {
  AttemptVerdict verdict{exit.end(), exit.message()};
  const bool rank_knows = result.end() != v1::ATTEMPT_END_UNSPECIFIED;
  // A rank that was killed after it wrote its result did not end as it says there.
  if (rank_knows && exit.signal() == 0 && IsVague(exit.end())) {
    verdict = {result.end(), result.message()};
  } else if (rank_knows && result.end() == exit.end() && !result.message().empty()) {
    verdict.message = result.message();
  }
  if (verdict.end == v1::ATTEMPT_END_UNSPECIFIED) verdict.end = v1::INTERNAL;
  if (verdict.message.empty()) {
    if (const EndText* text = TextOf(verdict.end)) {
      verdict.message = absl::StrCat(text->what, " ", text->advice);
    }
  }
  verdict.message = std::string(Utf8Prefix(verdict.message, kLongestMessage));
  return verdict;
}

AttemptVerdict JudgeLost(bool rebooted) {
  if (rebooted) return {v1::NODE_LOST, "The machine was restarted while the job ran."};
  return {v1::SHEPHERD_LOST, "The job's processes were killed from outside."};
}

v1::AttemptEnd EndAsAsked(v1::AttemptEnd end, v1::StopCause cause) {
  if (end != v1::STOPPED && end != v1::PREEMPTED) return end;
  return cause == v1::STOP_PREEMPT ? v1::PREEMPTED : v1::STOPPED;
}

JobVerdict JudgeJob(const AttemptVerdict& attempt, const v1::Job& job, RetryRules rules,
                    std::optional<int64_t> checkpoint_step) {
  const v1::StopCause cause = job.stop_cause();
  const bool asked = attempt.end == v1::STOPPED || attempt.end == v1::PREEMPTED;
  JobVerdict verdict{JobEventType::kFailed, attempt.message, absl::ZeroDuration()};
  const auto with = [&verdict](JobEventType event) {
    verdict.event = event;
    return verdict;
  };
  if (attempt.end == v1::COMPLETED) return with(JobEventType::kCompleted);
  if (cause == v1::STOP_CANCEL) return with(JobEventType::kStopped);
  if (cause != v1::STOP_CAUSE_UNSPECIFIED && (asked || MayRetry(attempt.end))) {
    return with(cause == v1::STOP_SUSPEND ? JobEventType::kSuspended : JobEventType::kPreempted);
  }
  // Somebody wrote control.binpb by hand.
  if (asked) return with(JobEventType::kStopped);
  const auto add = [&verdict](absl::string_view sentence) {
    std::string& text = verdict.message;
    // What the shepherd says is no sentence yet.
    if (!text.empty()) absl::StrAppend(&text, text.back() == '.' ? " " : ". ");
    absl::StrAppend(&text, sentence);
  };
  if (!attempt.started && MayRetry(attempt.end)) return with(JobEventType::kRetry);
  const v1::Retry& own = job.experiment().retry();
  if (own.has_max_attempts()) rules.max_attempts = own.max_attempts();
  const std::vector<v1::AttemptEnd> tries = TriesOf(job, attempt.end);
  if (const auto pause = PauseBeforeRetry(tries, rules); pause.has_value()) {
    verdict.pause = *pause;
    const std::string when =
        *pause > absl::ZeroDuration() ? absl::StrCat(" in ", absl::FormatDuration(*pause)) : "";
    add(checkpoint_step.has_value()
            ? absl::StrCat("Trying again", when, " from the checkpoint of step ", *checkpoint_step,
                           ".")
            : absl::StrCat("Trying again", when,
                           " from the beginning: there is no whole checkpoint yet."));
    return with(JobEventType::kRetry);
  }
  if (checkpoint_step.has_value()) {
    add(absl::StrCat("Last good checkpoint: step ", *checkpoint_step, "."));
  }
  add(MayRetry(attempt.end) ? absl::StrCat("Given up after ", tries.size(),
                                           tries.size() == 1 ? " attempt." : " attempts.")
                            : "Not retried: the same settings would fail the same way.");
  return verdict;
}

}  // namespace skytrain
