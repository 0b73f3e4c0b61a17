#include "server/jobs/retry_policy.h"

#include <algorithm>

namespace skytrain {
namespace {

constexpr absl::Duration kLongestPause = absl::Minutes(10);
constexpr int kMaxDoublings = 20;

struct Rule {
  v1::AttemptEnd end;
  int times;   // How often such an end is tried again; 0: as often as the job's bound allows.
  int pauses;  // First pause, in units of RetryRules::pause.
};

// Not in the table: tried again, it would end the same way.
constexpr Rule kRules[] = {
    {v1::WORKER_CRASHED, 0, 1},     {v1::RANK_FAILED, 0, 1}, {v1::SHEPHERD_LOST, 0, 0},
    {v1::NODE_LOST, 0, 0},          {v1::STALLED, 1, 1},     {v1::LAUNCH_FAILED, 0, 5},
    {v1::CHECKPOINT_CORRUPT, 0, 0}, {v1::DISK_FULL, 0, 60},
};

const Rule* RuleOf(v1::AttemptEnd end) {
  for (const Rule& rule : kRules) {
    if (rule.end == end) return &rule;
  }
  return nullptr;
}

}  // namespace

bool MayRetry(v1::AttemptEnd end) { return RuleOf(end) != nullptr; }

std::optional<absl::Duration> PauseBeforeRetry(absl::Span<const v1::AttemptEnd> tries,
                                               const RetryRules& rules) {
  if (tries.empty() || static_cast<int>(tries.size()) >= rules.max_attempts) return std::nullopt;
  const Rule* rule = RuleOf(tries.back());
  if (rule == nullptr) return std::nullopt;
  if (rule->times > 0 && std::count(tries.begin(), tries.end(), rule->end) > rule->times) {
    return std::nullopt;
  }
  const absl::Duration first = rules.pause * rule->pauses;
  const int doublings = std::min(static_cast<int>(tries.size()) - 1, kMaxDoublings);
  return std::min(first * (int64_t{1} << doublings), std::max(first, kLongestPause));
}

}  // namespace skytrain
