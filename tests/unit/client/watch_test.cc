#include "client/api/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "common/errors.h"
#include "tests/unit/client/fake_server.h"

namespace skytrain::client {
namespace {

using ::testing::ElementsAre;

class Recorder : public WatchObserver {
 public:
  void OnEvent(const v1::Event& event) override { seqs.push_back(event.seq()); }
  void OnLinkLost(absl::string_view) override {
    ++lost;
    if (on_lost) on_lost();
  }
  void OnLinkBack(absl::Duration, int64_t after, int64_t count) override {
    ++back;
    back_after = after;
    missed = count;
  }

  std::vector<int64_t> seqs;
  int lost = 0;
  int back = 0;
  int64_t back_after = -1;
  int64_t missed = -1;
  std::function<void()> on_lost;
};

class WatchTest : public ::testing::Test {
 protected:
  absl::Status Run(std::string job = "jobs/a", int64_t after_seq = 0) {
    Client client(server_.target(), interrupt_);
    WatchOptions options;
    options.job = std::move(job);
    options.after_seq = after_seq;
    options.backoff = Backoff(absl::Milliseconds(1), absl::Milliseconds(2), 1);
    return Watch(client, std::move(options), recorder_);
  }

  static std::vector<int64_t> UpTo(int64_t last, int64_t first = 1) {
    std::vector<int64_t> seqs(last - first + 1);
    std::iota(seqs.begin(), seqs.end(), first);
    return seqs;
  }

  FakeServer server_;
  Interrupt interrupt_;
  Recorder recorder_;
};

TEST_F(WatchTest, DeliversAWholeStream) {
  server_.SetEvents(50);
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(recorder_.seqs, UpTo(50));
  EXPECT_EQ(recorder_.lost, 0);
}

TEST_F(WatchTest, BeginsBehindTheSeqAskedFor) {
  server_.SetEvents(50);
  ASSERT_TRUE(Run("jobs/a", 40).ok());
  EXPECT_EQ(recorder_.seqs, UpTo(50, 41));
}

TEST_F(WatchTest, BrokenStreamGoesOnWhereItBroke) {
  server_.SetEvents(50);
  server_.Play({{.messages = 10, .end = absl::UnavailableError("daemon gone")}});
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(recorder_.seqs, UpTo(50));
  EXPECT_THAT(server_.Starts(), ElementsAre(0, 10));
  EXPECT_EQ(recorder_.lost, 1);
  EXPECT_EQ(recorder_.back, 1);
  EXPECT_EQ(recorder_.back_after, 10);
  EXPECT_EQ(recorder_.missed, 40);
}

TEST_F(WatchTest, AnyStatusWithoutAReasonIsABrokenLink) {
  server_.SetEvents(6);
  server_.Play({{.messages = 1, .end = absl::InternalError("RST_STREAM")},
                {.messages = 1, .end = absl::UnknownError("?")},
                {.messages = 1, .end = absl::CancelledError("by a proxy")},
                {.messages = 1, .end = absl::DataLossError("framing")}});
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(recorder_.seqs, UpTo(6));
  EXPECT_EQ(recorder_.lost, recorder_.back);
}

TEST_F(WatchTest, RepeatedEventsAreDroppedAndHolesAreAskedForAgain) {
  server_.SetEvents(20);
  server_.Play({{.messages = 5, .end = absl::UnavailableError("reset")},
                {.messages = 8, .end = absl::UnavailableError("reset"), .repeat = 4},
                {.skip = 3}});
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(recorder_.seqs, UpTo(20));
}

TEST_F(WatchTest, LinkThatBreaksTwiceIsLostOnce) {
  server_.SetEvents(5);
  server_.Play({{.messages = 2, .end = absl::UnavailableError("reset")},
                {.messages = 0, .end = absl::UnavailableError("starting")},
                {.messages = 0, .end = absl::UnavailableError("starting")}});
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(recorder_.lost, 1);
  EXPECT_EQ(recorder_.back, 1);
}

TEST_F(WatchTest, ErrorWithAReasonIsFinal) {
  server_.SetEvents(5);
  server_.Play({{.messages = 2,
                 .end = ErrorWithReason(absl::StatusCode::kDataLoss, "EVENTS_CORRUPT", "torn")}});
  const absl::Status status = Run();
  EXPECT_EQ(ReasonOf(status), "EVENTS_CORRUPT");
  EXPECT_EQ(status.message(), "torn");
  EXPECT_EQ(recorder_.lost, 0);
}

TEST_F(WatchTest, UnknownJobIsFinal) {
  const absl::Status status = Run("jobs/other");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "no job jobs/other");
}

TEST_F(WatchTest, InterruptionEndsIt) {
  server_.SetEvents(5);
  server_.Play({{.messages = 2, .end = absl::UnavailableError("reset")}});
  interrupt_.Raise();
  EXPECT_TRUE(absl::IsCancelled(Run()));
}

TEST_F(WatchTest, GivesUpWhenTheServerStaysAway) {
  server_.SetEvents(5);
  server_.Play({{.messages = 2, .end = absl::UnavailableError("reset")}});
  ConnectOptions options;
  options.patience.length = options.give_up = absl::Milliseconds(200);
  Client client(server_.target(), interrupt_, options);
  recorder_.on_lost = [this] { server_.Stop(); };
  WatchOptions watch;
  watch.job = "jobs/a";
  watch.backoff = Backoff(absl::Milliseconds(1), absl::Milliseconds(2), 1);
  const absl::Status status = Watch(client, std::move(watch), recorder_);
  EXPECT_EQ(ReasonOf(status), "GAVE_UP") << status;
  EXPECT_EQ(recorder_.seqs, UpTo(2));
}

TEST(WatchWithoutAServer, GivesUpAndNamesTheAddress) {
  Interrupt interrupt;
  ConnectOptions options;
  options.patience.length = absl::Milliseconds(50);
  Client client(Target::Unix("/tmp/skytrain-no-such-socket"), interrupt, options);
  Recorder recorder;
  WatchOptions watch;
  watch.job = "jobs/a";
  watch.backoff = Backoff(absl::Milliseconds(1), absl::Milliseconds(2), 1);
  const absl::Status status = Watch(client, std::move(watch), recorder);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(ReasonOf(status), "NO_SOCKET");
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/tmp/skytrain-no-such-socket"));
}

}  // namespace
}  // namespace skytrain::client
