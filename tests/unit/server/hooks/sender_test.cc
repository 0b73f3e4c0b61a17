// What HookSender promises, with a scripted receiver and a real database.
#include "server/hooks/sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "server/store/hook_rows.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Outcome = HookReport::Outcome;

// Answers as it is told, by job; writes down what it was asked.
class Receiver {
 public:
  // The next answers for `job`; then OK.
  void Answer(const std::string& job, std::vector<absl::Status> answers) {
    MutexLock lock(mu_);
    answers_[job] = {answers.begin(), answers.end()};
  }
  // Takes no delivery of `job` and does not return until it is cancelled.
  void Hang(const std::string& job) {
    MutexLock lock(mu_);
    hanging_.insert(job);
  }
  absl::Status Take(const HookRow& row, int cancel_fd) {
    bool hang = false;
    absl::Status answer;
    {
      MutexLock lock(mu_);
      asked_.push_back(absl::StrCat(row.job_id, " ", row.seq));
      hang = hanging_.contains(row.job_id);
      auto& answers = answers_[row.job_id];
      if (!answers.empty()) {
        answer = answers.front();
        answers.pop_front();
      }
    }
    if (!hang) return answer;
    pollfd polled{cancel_fd, POLLIN, 0};
    poll(&polled, 1, 60'000);
    return absl::CancelledError("");
  }
  std::vector<std::string> asked() {
    MutexLock lock(mu_);
    return asked_;
  }

 private:
  Mutex mu_;
  std::map<std::string, std::deque<absl::Status>> answers_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> hanging_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> asked_ ABSL_GUARDED_BY(mu_);
};

class ToReceiver : public HookTransport {
 public:
  explicit ToReceiver(Receiver& receiver) : receiver_(receiver) {}
  absl::Status Deliver(const HookRow& row, int cancel_fd) override {
    return receiver_.Take(row, cancel_fd);
  }

 private:
  Receiver& receiver_;
};

class HookSenderTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    Database::Options options;
    options.path = dir_.File("test.db");
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  void Start(const std::vector<std::string>& hooks = {"a", "b"},
             absl::Duration max_age = absl::Hours(1)) {
    HookSender::Options options;
    options.backoff = {absl::Milliseconds(1), absl::Milliseconds(20), absl::Milliseconds(200)};
    options.report = [this](const HookReport& report) {
      MutexLock lock(mu_);
      reports_.push_back(report);
    };
    options.on_pending = [this](const std::string& hook, int64_t pending) {
      MutexLock lock(mu_);
      pending_[hook] = pending;
    };
    options.log = [this](absl::string_view line) {
      MutexLock lock(mu_);
      log_.emplace_back(line);
    };
    std::vector<HookSender::Receiver> receivers;
    for (const std::string& hook : hooks) {
      receivers.push_back({hook, max_age, std::make_unique<ToReceiver>(receivers_[hook])});
    }
    sender_ = std::make_unique<HookSender>(std::move(options), std::move(receivers), *database_,
                                           Clock::Real());
    sender_->Start();
  }
  void Insert(const std::string& hook, const std::string& job, int64_t seq,
              absl::Duration age = absl::ZeroDuration()) {
    HookRow row{0, hook, "uid-" + job, job, seq, absl::ToUnixSeconds(absl::Now() - age), "{}"};
    ASSERT_TRUE(database_
                    ->Write(Database::Priority::kControl,
                            [&](Connection& connection) { return InsertHookRow(connection, row); })
                    .ok());
    if (sender_ != nullptr) sender_->Wake();
  }
  void Execute(const std::string& sql) {
    ASSERT_TRUE(database_
                    ->Write(Database::Priority::kControl,
                            [&](Connection& connection) { return connection.Execute(sql); })
                    .ok());
  }
  // "HOOK JOB SEQ" of the rows that wait.
  std::vector<std::string> Stored() {
    std::vector<std::string> stored;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& connection) -> absl::Status {
                      const auto heads = *ListHookRows(connection, 0, 1000);
                      for (const HookRowHead& head : heads) {
                        const auto row = *FindHookRow(connection, head.id);
                        stored.push_back(absl::StrCat(row->hook, " ", row->job_id, " ", row->seq));
                      }
                      return absl::OkStatus();
                    })
                    .ok());
    return stored;
  }
  bool AwaitEmpty() {
    return Eventually([&] { return Stored().empty(); });
  }
  std::vector<HookReport> Reports(Outcome outcome) {
    MutexLock lock(mu_);
    std::vector<HookReport> found;
    for (const HookReport& report : reports_) {
      if (report.outcome == outcome) found.push_back(report);
    }
    return found;
  }

  TempDir dir_;
  std::unique_ptr<Database> database_;
  std::map<std::string, Receiver> receivers_;
  Mutex mu_;
  std::vector<HookReport> reports_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, int64_t> pending_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> log_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<HookSender> sender_;
};

const absl::Status kBusy = absl::UnavailableError("busy");

TEST_F(HookSenderTest, DeliversOnceAndForgets) {
  Start();
  Insert("a", "one", 1);
  Insert("b", "one", 1);
  ASSERT_TRUE(AwaitEmpty());
  EXPECT_THAT(receivers_["a"].asked(), ElementsAre("one 1"));
  EXPECT_THAT(receivers_["b"].asked(), ElementsAre("one 1"));
  ASSERT_TRUE(Eventually([&] { return sender_->stored_bytes() == 0; }));
  ASSERT_EQ(Reports(Outcome::kDelivered).size(), 2u);
  EXPECT_EQ(Reports(Outcome::kDelivered)[0].job_id, "one");
  MutexLock lock(mu_);
  EXPECT_EQ(pending_, (std::map<std::string, int64_t>{{"a", 0}, {"b", 0}}));
}

TEST_F(HookSenderTest, TriesAgainWithTheSameIdAndInOrder) {
  receivers_["a"].Answer("one", {kBusy, kBusy, kBusy});
  Start();
  Insert("a", "one", 1);
  Insert("a", "one", 2);
  ASSERT_TRUE(AwaitEmpty());
  EXPECT_THAT(receivers_["a"].asked(), ElementsAre("one 1", "one 1", "one 1", "one 1", "one 2"));
  const auto failed = Reports(Outcome::kFailed);
  ASSERT_EQ(failed.size(), 3u);
  EXPECT_EQ(failed[2].tries, 3);
  EXPECT_EQ(failed[2].message, "busy");
  EXPECT_EQ(failed[2].delivery, "uid-one/1/a");
  EXPECT_GT(failed[2].pause, absl::ZeroDuration());
  EXPECT_EQ(Reports(Outcome::kDelivered)[0].delivery, "uid-one/1/a");
}

TEST_F(HookSenderTest, WaitsAsLongAsTheReceiverAsks) {
  receivers_["a"].Answer("one", {WithRetryDelay(kBusy, absl::Milliseconds(150))});
  const absl::Time start = absl::Now();
  Start();
  Insert("a", "one", 1);
  ASSERT_TRUE(AwaitEmpty());
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(150));
}

TEST_F(HookSenderTest, AJobThatFailsHoldsUpNoOther) {
  receivers_["a"].Answer("bad", std::vector<absl::Status>(1'000'000, kBusy));
  Start();
  Insert("a", "bad", 1);
  Insert("a", "bad", 2);
  for (int seq = 1; seq <= 3; ++seq) Insert("a", "good", seq);
  ASSERT_TRUE(Eventually([&] { return Stored().size() == 2; }));
  EXPECT_THAT(Stored(), ElementsAre("a bad 1", "a bad 2"));
}

TEST_F(HookSenderTest, AHookThatHangsHoldsUpNoOtherAndNotTheEnd) {
  for (const char* job : {"one", "two", "three"}) receivers_["a"].Hang(job);
  Start();
  for (const char* job : {"one", "two", "three"}) {
    Insert("a", job, 1);
    Insert("b", job, 1);
  }
  ASSERT_TRUE(Eventually([&] { return Stored().size() == 3; }));
  EXPECT_EQ(receivers_["a"].asked().size(), 2u) << "deliveries of one hook at once";
  const absl::Time start = absl::Now();
  sender_->Shutdown();
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  EXPECT_THAT(Stored(), ElementsAre("a one 1", "a two 1", "a three 1"));
}

TEST_F(HookSenderTest, ANewDaemonGoesOnWhereTheOldOneDied) {
  receivers_["a"].Hang("one");
  Start();
  Insert("a", "one", 1);
  Insert("a", "one", 2);
  ASSERT_TRUE(Eventually([&] { return receivers_["a"].asked().size() == 1; }));
  sender_.reset();
  database_.reset();
  Open();
  receivers_.clear();
  Start();
  ASSERT_TRUE(AwaitEmpty());
  EXPECT_THAT(receivers_["a"].asked(), ElementsAre("one 1", "one 2"));
}

TEST_F(HookSenderTest, RefusedIsGivenUpAndTheNextOneGoesOut) {
  receivers_["a"].Answer("one", {absl::FailedPreconditionError("the receiver answered 404")});
  Start();
  Insert("a", "one", 1);
  Insert("a", "one", 2);
  ASSERT_TRUE(AwaitEmpty());
  EXPECT_THAT(receivers_["a"].asked(), ElementsAre("one 1", "one 2"));
  ASSERT_EQ(Reports(Outcome::kGivenUp).size(), 1u);
  EXPECT_EQ(Reports(Outcome::kGivenUp)[0].message, "the receiver answered 404");
}

TEST_F(HookSenderTest, TooOldIsGivenUpWithTheLastReason) {
  receivers_["a"].Answer("one", std::vector<absl::Status>(1'000'000, kBusy));
  Start({"a", "b"}, absl::Seconds(3));
  Insert("a", "one", 1);
  Insert("a", "old", 1, absl::Hours(1));
  ASSERT_TRUE(AwaitEmpty());
  const auto given_up = Reports(Outcome::kGivenUp);
  ASSERT_EQ(given_up.size(), 2u);
  EXPECT_EQ(given_up[0].job_id, "old");
  EXPECT_EQ(given_up[0].message, "not delivered within 3s");
  EXPECT_EQ(given_up[1].message, "not delivered within 3s; last: busy");
  EXPECT_GT(given_up[1].tries, 3);
}

TEST_F(HookSenderTest, RowsOfAHookThatIsGoneAreDroppedWithALine) {
  Insert("a", "one", 1);
  Insert("gone", "one", 1);
  Insert("gone", "two", 1);
  Start();
  ASSERT_TRUE(AwaitEmpty());
  EXPECT_THAT(receivers_["a"].asked(), ElementsAre("one 1"));
  MutexLock lock(mu_);
  EXPECT_THAT(log_, ElementsAre(HasSubstr("hook 'gone' is no longer configured: 2 notifications")));
}

TEST_F(HookSenderTest, ADamagedRowIsNamedAndNeverSent) {
  Insert("a", "one", 1);
  Execute("UPDATE hook_deliveries SET payload = CAST('{\"to\":\"SUCCEEDED\"}' AS BLOB)");
  Start();
  ASSERT_TRUE(Eventually([&] { return Reports(Outcome::kGivenUp).size() == 1; }));
  EXPECT_THAT(Reports(Outcome::kGivenUp)[0].message, HasSubstr("hook_deliveries is damaged"));
  EXPECT_THAT(receivers_["a"].asked(), IsEmpty());
}

TEST_F(HookSenderTest, IdsAreNotUsedAgain) {
  Start();
  for (int seq = 1; seq <= 5; ++seq) {
    Insert("a", "one", seq);
    ASSERT_TRUE(AwaitEmpty()) << seq;
  }
  EXPECT_EQ(receivers_["a"].asked().size(), 5u);
}

TEST_F(HookSenderTest, ManyJobsAreAllToldInTheOrderOfTheirEvents) {
  Start();
  for (int job = 0; job < 30; ++job) {
    receivers_["a"].Answer(absl::StrCat("j", job), {kBusy});
    for (int seq = 1; seq <= 5; ++seq) Insert("a", absl::StrCat("j", job), seq);
  }
  ASSERT_TRUE(AwaitEmpty());
  std::map<std::string, std::vector<int64_t>> order;
  for (const HookReport& report : Reports(Outcome::kDelivered)) {
    int64_t seq = 0;
    ASSERT_EQ(sscanf(report.delivery.c_str(), "uid-%*[^/]/%ld/", &seq), 1);
    order[report.job_id].push_back(seq);
  }
  ASSERT_EQ(order.size(), 30u);
  for (const auto& [job, seqs] : order) EXPECT_THAT(seqs, ElementsAre(1, 2, 3, 4, 5)) << job;
}

}  // namespace
}  // namespace skytrain
