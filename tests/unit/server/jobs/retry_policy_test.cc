#include "server/jobs/retry_policy.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

TEST(RetryPolicy, GoesByTheEndAndItsHistory) {
  const struct {
    const char* what;
    std::vector<v1::AttemptEnd> tries;
    int max_attempts;
    std::optional<absl::Duration> pause;
  } cases[] = {
      {"a crash", {v1::WORKER_CRASHED}, 3, absl::Seconds(2)},
      {"a second crash", {v1::WORKER_CRASHED, v1::WORKER_CRASHED}, 3, absl::Seconds(4)},
      {"the last crash", {v1::RANK_FAILED, v1::NODE_LOST, v1::WORKER_CRASHED}, 3, std::nullopt},
      {"a rank", {v1::RANK_FAILED}, 3, absl::Seconds(2)},
      {"no retry wanted", {v1::WORKER_CRASHED}, 1, std::nullopt},
      {"many crashes", std::vector<v1::AttemptEnd>(15, v1::WORKER_CRASHED), 20, absl::Minutes(10)},
      {"the node came back", {v1::NODE_LOST}, 3, absl::ZeroDuration()},
      {"the daemon came back", {v1::SHEPHERD_LOST}, 3, absl::ZeroDuration()},
      {"a launch", {v1::LAUNCH_FAILED}, 3, absl::Seconds(10)},
      {"a full disk", {v1::DISK_FULL}, 3, absl::Minutes(2)},
      {"a disk that stays full", {v1::DISK_FULL, v1::DISK_FULL}, 3, absl::Minutes(4)},
      {"a stall", {v1::STALLED}, 5, absl::Seconds(2)},
      {"another stall", {v1::STALLED, v1::WORKER_CRASHED, v1::STALLED}, 5, std::nullopt},
      {"an older checkpoint may do", {v1::CHECKPOINT_CORRUPT}, 3, absl::ZeroDuration()},
      {"too much memory", {v1::OUT_OF_GPU_MEMORY}, 3, std::nullopt},
      {"too much memory", {v1::OUT_OF_HOST_MEMORY}, 3, std::nullopt},
      {"NaN", {v1::NON_FINITE_LOSS}, 3, std::nullopt},
      {"bad data", {v1::INVALID_DATA}, 3, std::nullopt},
      {"the time limit", {v1::TIME_LIMIT}, 3, std::nullopt},
      {"a defect of ours", {v1::INTERNAL}, 3, std::nullopt},
      {"nothing", {}, 3, std::nullopt},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(PauseBeforeRetry(c.tries, {c.max_attempts, absl::Seconds(2)}), c.pause);
  }
}

TEST(RetryPolicy, LongFirstPauseIsNotCut) {
  EXPECT_EQ(PauseBeforeRetry({v1::DISK_FULL}, {3, absl::Minutes(1)}), absl::Hours(1));
}

}  // namespace
}  // namespace skytrain
