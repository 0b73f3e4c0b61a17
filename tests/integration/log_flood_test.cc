// A job that prints gigabytes: its log has a quota, says so, and nobody else notices.
//   SKYTRAIN_LOG_BYTES=10000000000 build/release/tests/log_flood_test     the long form
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/sanitizers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kQuota = 1 << 20;

int64_t LogBytes() {
  const char* const given = std::getenv("SKYTRAIN_LOG_BYTES");
  return given == nullptr ? 200'000'000 : std::atoll(given);
}

// Follows a job's metrics until told to stop; the longest time between two answers.
absl::Duration LongestSilence(JobClient& client, const std::string& job,
                              const std::atomic<bool>& stop) {
  v1::WatchEventsRequest request;
  request.set_name(job);
  request.set_follow(true);
  request.add_kinds(v1::METRICS);
  absl::Duration longest = absl::ZeroDuration();
  absl::Time last = absl::InfiniteFuture();
  const absl::Status ended = client.Watch(request, [&](const v1::WatchEventsResponse& response) {
    if (response.events().empty()) return !stop.load();
    const absl::Time now = absl::Now();
    longest = std::max(longest, now - last);
    last = now;
    return !stop.load();
  });
  EXPECT_TRUE(absl::IsCancelled(ended)) << ended;
  return longest;
}

TEST(LogFlood, MeetsItsQuotaSaysSoAndLeavesOthersAlone) {
  Daemon daemon({"--cpus", "2", "--max-log-bytes", absl::StrCat(kQuota)});
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  JobClient client(daemon.Connect());
  const auto steady =
      client.Create({{"epochs", "100000"}, {"steps", "100"}, {"step_ms", "10"}}, "steady");
  ASSERT_TRUE(steady.ok()) << steady.status();
  std::atomic<bool> stop{false};
  absl::Duration silence;
  JobClient follower(daemon.Connect());
  std::thread watch([&] { silence = LongestSilence(follower, "jobs/steady", stop); });

  const absl::Time begin = absl::Now();
  const auto flood =
      client.Create({{"epochs", "1"}, {"log_bytes", absl::StrCat(LogBytes())}}, "flood");
  EXPECT_TRUE(flood.ok()) << flood.status();
  const auto over = client.Wait("jobs/flood");
  const absl::Duration took = absl::Now() - begin;
  stop = true;
  watch.join();
  EXPECT_TRUE(client.Cancel("jobs/steady").ok());
  EXPECT_TRUE(client.Wait("jobs/steady").ok());

  ASSERT_TRUE(over.ok()) << over.status();
  EXPECT_EQ(over->state(), v1::SUCCEEDED);
  EXPECT_LE(silence, absl::Seconds(1)) << "the other job's points came late";
  if (!kSanitized) {
    EXPECT_LE(daemon.PeakRssBytes(), int64_t{200} << 20);
  }
  const auto events = client.Events("jobs/flood");
  ASSERT_TRUE(events.ok()) << events.status();
  int64_t kept = 0;
  std::vector<v1::Gap> gaps;
  for (const v1::Event& event : *events) {
    if (event.log().stream() == v1::LogChunk::STREAM_STDOUT) kept += event.log().data().size();
    if (event.has_gap()) gaps.push_back(event.gap());
  }
  EXPECT_EQ(kept, kQuota);
  ASSERT_EQ(gaps.size(), 2u) << "once when it is reached, once at the end";
  EXPECT_THAT(gaps[0].reason(), HasSubstr("has printed more than 1048576 bytes"));
  EXPECT_GE(gaps[1].records(), LogBytes() - kQuota);
  std::cout << LogBytes() / 1'000'000 << " MB of log in " << took << "; longest silence of the "
            << "other job " << silence << "; daemon's peak " << (daemon.PeakRssBytes() >> 20)
            << " MB\n";
}

}  // namespace
}  // namespace skytrain
