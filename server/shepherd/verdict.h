#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/shepherd/rank_process.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "skytrain/internal/v1/record.pb.h"

namespace skytrain {

// What is known of one rank once it has left.
struct RankOutcome {
  int rank = 0;
  RankExit exit;
  bool has_spool = false;                          // It got as far as opening its spool.
  std::optional<internal::v1::RankResult> result;  // How it saw its own end.
  bool oom_kill = false;   // The kernel killed something for memory about when it left.
  std::string last_words;  // End of its stderr.
};

struct RunOutcome {
  std::vector<RankOutcome> ranks;  // In the order in which they left.
  // Why the ranks were asked to stop; unspecified: they were not.
  internal::v1::Control::Cause stop_cause = internal::v1::Control::CAUSE_UNSPECIFIED;
  bool killed = false;  // The grace was over, and they got SIGKILL from us.
  absl::Duration grace;
  // Set when they got SIGKILL from us since they held more memory than the limit.
  int64_t memory_bytes = 0;
  int64_t memory_limit_bytes = 0;
};

// How the attempt ended: end, message, failed_rank, exit_code, signal, killed_by_shepherd. A pure
// function; the rules:
//  1. The first rank that failed by itself names the end: by its own RankResult, else by its signal
//     or exit code. A rank that only says that another one failed does not count while there is
//     one that says more.
//  2. Else, when every rank reported COMPLETED, that is the end, whatever was asked of it.
//  3. Else a kill for memory is OUT_OF_HOST_MEMORY.
//  4. Else the cause of the stop names it: TIME_LIMIT, STALLED, PREEMPTED, else STOPPED.
internal::v1::ExitRecord Judge(const RunOutcome& run);

}  // namespace skytrain
