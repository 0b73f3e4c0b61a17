#include "server/shepherd/verdict.h"

#include <string.h>

#include <algorithm>
#include <csignal>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/last_line.h"

namespace skytrain {
namespace {

using internal::v1::Control;
using internal::v1::ExitRecord;

// What the program loader and shells give for "cannot be run".
constexpr int kCannotLoad = 127;

bool Asked(const RunOutcome& run) { return run.stop_cause != Control::CAUSE_UNSPECIFIED; }

bool KilledByUs(const RunOutcome& run, const RankOutcome& rank) {
  return run.killed && rank.exit.signal == SIGKILL;
}

// A worker that has no handler yet, or no longer, dies of the signal that asks it to stop.
bool DiedOfOurTerm(const RunOutcome& run, const RankOutcome& rank) {
  return Asked(run) && rank.exit.signal == SIGTERM;
}

bool IsGoodEnd(v1::AttemptEnd end) {
  return end == v1::COMPLETED || end == v1::STOPPED || end == v1::TIME_LIMIT || end == v1::STALLED;
}

bool Failed(const RunOutcome& run, const RankOutcome& rank) {
  if (KilledByUs(run, rank) || DiedOfOurTerm(run, rank)) return false;
  if (rank.exit.signal != 0 || rank.exit.exit_code != 0 || !rank.result.has_value()) return true;
  return !IsGoodEnd(rank.result->end());
}

const RankOutcome* FirstFailed(const RunOutcome& run) {
  const RankOutcome* first = nullptr;
  for (const RankOutcome& rank : run.ranks) {
    if (!Failed(run, rank)) continue;
    const bool victim = rank.result.has_value() && rank.result->end() == v1::RANK_FAILED;
    if (!victim) return &rank;
    if (first == nullptr) first = &rank;
  }
  return first;
}

std::string SignalName(int signal) {
  const char* abbreviation = sigabbrev_np(signal);
  return abbreviation == nullptr ? absl::StrCat("signal ", signal)
                                 : absl::StrCat("SIG", abbreviation);
}

// What the C++ runtime and LibTorch say when an allocation fails that nobody catches.
bool RanOutOfMemory(absl::string_view words) {
  return absl::StrContains(words, "std::bad_alloc") ||
         absl::StrContains(words, "can't allocate memory");
}

struct Reading {
  v1::AttemptEnd end;
  std::string message;
};

// From the way the process left alone.
Reading ReadExit(const RankOutcome& rank, bool alone) {
  const v1::AttemptEnd crashed = alone ? v1::WORKER_CRASHED : v1::RANK_FAILED;
  const std::string who = absl::StrCat("rank ", rank.rank);
  if (rank.exit.signal == SIGKILL && rank.oom_kill) {
    return {
        v1::OUT_OF_HOST_MEMORY,
        absl::StrCat("the kernel killed ", who,
                     " for lack of memory (OOM); try a smaller batch_size, or ask for a machine "
                     "with more memory")};
  }
  if (rank.exit.signal == SIGKILL) {
    return {crashed,
            absl::StrCat(who,
                         " was killed (SIGKILL) by something other than skytrain: a person, "
                         "or the kernel for lack of memory (see its log)")};
  }
  if (rank.exit.signal == SIGABRT && RanOutOfMemory(rank.last_words)) {
    return {v1::OUT_OF_HOST_MEMORY,
            absl::StrCat(who,
                         " asked for more memory than it may have (a limit as of ulimit -v, or "
                         "the whole machine); try a smaller batch_size, or raise the limit")};
  }
  if (rank.exit.signal != 0) {
    return {crashed, absl::StrCat(who, " crashed with ", SignalName(rank.exit.signal))};
  }
  if (rank.exit.exit_code == kCannotLoad && !rank.has_spool) {
    return {v1::LAUNCH_FAILED, absl::StrCat(who, " could not be started (exit code 127)")};
  }
  if (rank.exit.exit_code != 0) {
    return {crashed,
            absl::StrCat(who, " left with exit code ", rank.exit.exit_code, " and no result")};
  }
  return {crashed, absl::StrCat(who, " left without a result")};
}

void JudgeFailure(const RankOutcome& rank, bool alone, ExitRecord& record) {
  record.set_failed_rank(rank.rank);
  record.set_exit_code(rank.exit.exit_code);
  record.set_signal(rank.exit.signal);
  if (rank.result.has_value() && !IsGoodEnd(rank.result->end()) &&
      rank.result->end() != v1::ATTEMPT_END_UNSPECIFIED) {
    record.set_end(rank.result->end());
    record.set_message(rank.result->message());
    return;
  }
  Reading reading = ReadExit(rank, alone);
  if (const std::string words = LastLine(rank.last_words); !words.empty()) {
    absl::StrAppend(&reading.message, "; its last words: ", words);
  }
  record.set_end(reading.end);
  record.set_message(reading.message);
}

v1::AttemptEnd EndOfStop(Control::Cause cause) {
  switch (cause) {
    case Control::CAUSE_TIME_LIMIT:
      return v1::TIME_LIMIT;
    case Control::CAUSE_STALLED:
      return v1::STALLED;
    case Control::CAUSE_PREEMPT:
      return v1::PREEMPTED;
    default:
      return v1::STOPPED;
  }
}

std::string WhyStopped(Control::Cause cause) {
  switch (cause) {
    case Control::CAUSE_TIME_LIMIT:
      return "limits.time was reached";
    case Control::CAUSE_STALLED:
      return "no step within limits.stall";
    case Control::CAUSE_DRAIN:
      return "the server was drained";
    case Control::CAUSE_SUSPEND:
      return "suspended";
    case Control::CAUSE_PREEMPT:
      return "made way for a job of higher priority";
    default:
      return "asked to stop";
  }
}

}  // namespace

ExitRecord Judge(const RunOutcome& run) {
  ExitRecord record;
  record.set_failed_rank(-1);
  record.set_killed_by_shepherd(run.killed);
  if (const RankOutcome* failed = FirstFailed(run); failed != nullptr) {
    JudgeFailure(*failed, run.ranks.size() == 1, record);
    return record;
  }
  for (const RankOutcome& rank : run.ranks) {
    if (rank.rank != 0) continue;
    record.set_exit_code(rank.exit.exit_code);
    record.set_signal(rank.exit.signal);
    if (rank.result.has_value()) record.set_message(rank.result->message());
  }
  const bool completed = std::all_of(run.ranks.begin(), run.ranks.end(), [](const auto& rank) {
    return rank.result.has_value() && rank.result->end() == v1::COMPLETED;
  });
  if (completed && !run.ranks.empty()) {
    record.set_end(v1::COMPLETED);
    return record;
  }
  if (run.memory_bytes > 0) {
    record.set_end(v1::OUT_OF_HOST_MEMORY);
    record.set_message(absl::StrCat("the run held ", run.memory_bytes >> 20,
                                    " MiB of memory, more than the ", run.memory_limit_bytes >> 20,
                                    " MiB that this server allows (limits.memory_bytes), and was "
                                    "killed; try a smaller batch_size, or ask for a higher limit"));
    return record;
  }
  record.set_end(EndOfStop(run.stop_cause));
  std::string message = WhyStopped(run.stop_cause);
  if (run.killed) {
    absl::StrAppend(&message, "; not gone after ", absl::FormatDuration(run.grace),
                    " of grace, so killed: what came after the last checkpoint is lost");
  } else if (!record.message().empty()) {
    absl::StrAppend(&message, "; ", record.message());
  }
  record.set_message(message);
  return record;
}

}  // namespace skytrain
