#include "server/retention/policy.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RetentionPolicyTest, ThingsAreKeptForeverUnlessThePolicySaysOtherwise) {
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  EXPECT_FALSE(IsOlder(absl::UnixEpoch(), absl::InfiniteDuration(), now));
  EXPECT_FALSE(IsOlder(now - absl::Hours(1), absl::Hours(1), now));
  EXPECT_TRUE(IsOlder(now - absl::Hours(2), absl::Hours(1), now));
}

// Steps of what is removed from: attempt 1 with 10, 20, 30; attempt 2 with 20, 40.
std::vector<int64_t> Surplus(int keep, int best) {
  std::vector<CheckpointFolder> checkpoints;
  for (const auto& [attempt, step] : {std::pair(1, 30), {1, 10}, {2, 20}, {2, 40}, {1, 20}}) {
    CheckpointFolder checkpoint;
    checkpoint.attempt = attempt;
    checkpoint.step = step;
    checkpoint.best = step == best && attempt == 1;
    checkpoints.push_back(checkpoint);
  }
  std::vector<int64_t> steps;
  for (const auto& removed : SurplusCheckpoints(checkpoints, keep)) steps.push_back(removed.step);
  return steps;
}

TEST(RetentionPolicyTest, TheNewestCheckpointsAndTheBestStay) {
  EXPECT_THAT(Surplus(1, 10), ElementsAre(20, 30, 20));
  EXPECT_THAT(Surplus(3, 0), ElementsAre(20, 10));
  EXPECT_THAT(Surplus(0, 30), ElementsAre(40, 20, 20, 10));
  EXPECT_THAT(Surplus(5, 0), IsEmpty());
}

TEST(RetentionPolicyTest, TheCacheLosesWhatWasUsedLongestAgo) {
  std::vector<CacheEntry> entries;
  for (const int age : {3, 1, 2}) {
    entries.push_back(
        {std::string(1, static_cast<char>('0' + age)), 100, absl::FromUnixSeconds(1000 - age)});
  }
  const auto paths = [&](int64_t max_bytes) {
    std::string paths;
    for (const CacheEntry& entry : SurplusCache(entries, max_bytes)) paths += entry.path;
    return paths;
  };
  EXPECT_EQ(paths(300), "");
  EXPECT_EQ(paths(299), "3");
  EXPECT_EQ(paths(100), "23");
  EXPECT_EQ(paths(1), "123");
  EXPECT_EQ(paths(0), "") << "0: no bound";
}

TEST(RetentionPolicyTest, OnlyNamesOfAttemptFoldersHaveAUid) {
  const std::string uid = "01hzx3v8m2q4r6t8y0a2c4e6g8";
  EXPECT_EQ(UidOfAttemptFolder(uid + "-1"), uid);
  EXPECT_EQ(UidOfAttemptFolder(uid + "-12"), uid);
  for (const char* other : {"", ".trash", "-1", "notes", "01hzx3v8m2q4r6t8y0a2c4e6g8",
                            "01hzx3v8m2q4r6t8y0a2c4e6g8-", "01hzx3v8m2q4r6t8y0a2c4e6g8-0",
                            "01hzx3v8m2q4r6t8y0a2c4e6g8-x", "01hzx3v8/../../../../../aa-1"}) {
    EXPECT_EQ(UidOfAttemptFolder(other), "") << other;
  }
}

}  // namespace
}  // namespace skytrain
