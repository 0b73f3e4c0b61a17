// The log side of the stream: packing, reading back, telling.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/digest/digest.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/events/event_batch_builder.h"
#include "server/events/event_hub.h"
#include "server/events/event_log.h"
#include "server/store/event_rows.h"
#include "skytrain/v1/job_service.pb.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;

std::string Log(const std::string& text) {
  v1::Event event;
  event.mutable_log()->set_data(text);
  return event.SerializeAsString();
}

TEST(EventBatchBuilder, NumbersEventsAndStaysBelow64KiB) {
  EventBatchBuilder builder;
  builder.Reset(100);
  for (int i = 0; i < 50; ++i) builder.Append(Log(std::string(4000, 'x')), 3);
  int64_t seq = 100;
  for (const auto& batch : builder.batches()) {
    EXPECT_LE(batch.bytes.size(), (64u << 10) + 16);
    v1::WatchEventsResponse response;
    ASSERT_TRUE(response.ParseFromString(batch.bytes));
    EXPECT_EQ(batch.first_seq, seq);
    EXPECT_EQ(batch.count, response.events_size());
    for (const v1::Event& event : response.events()) {
      EXPECT_EQ(event.seq(), seq++);
      EXPECT_EQ(event.attempt(), 3);
    }
  }
  EXPECT_EQ(seq, 150);
  EXPECT_GT(builder.batches().size(), 1u);
}

TEST(EventBatchBuilder, OverrulesTheSeqThatAWorkerWrote) {
  v1::Event forged;
  forged.set_seq(7);
  forged.set_attempt(9);
  forged.mutable_log()->set_data("x");
  EventBatchBuilder builder;
  builder.Reset(1);
  builder.Append(forged.SerializeAsString(), 2);
  v1::WatchEventsResponse response;
  ASSERT_TRUE(response.ParseFromString(builder.batches()[0].bytes));
  EXPECT_EQ(response.events(0).seq(), 1);
  EXPECT_EQ(response.events(0).attempt(), 2);
}

TEST(EventBatchBuilder, IsEmptyAgainAfterReset) {
  EventBatchBuilder builder;
  builder.Reset(1);
  builder.Append(Log("a"), 1);
  builder.Reset(1);
  EXPECT_TRUE(builder.empty());
  builder.Append(Log("b"), 1);
  v1::WatchEventsResponse response;
  ASSERT_TRUE(response.ParseFromString(builder.batches()[0].bytes));
  ASSERT_EQ(response.events_size(), 1);
  EXPECT_EQ(response.events(0).log().data(), "b");
}

class EventLogTest : public ::testing::Test {
 protected:
  EventLogTest() {
    Database::Options options;
    options.path = dir_.File("test.db");
    database_ = *Database::Open(options);
  }
  void Insert(int64_t first_seq, int64_t count, const std::string& bytes, bool damaged = false) {
    ASSERT_TRUE(database_
                    ->Write(Database::Priority::kBulk,
                            [&](Connection& connection) {
                              return InsertBatch(connection, "job", first_seq, count,
                                                 MaskCrc(Crc32c(bytes)) + damaged, bytes);
                            })
                    .ok());
  }
  TempDir dir_;
  std::unique_ptr<Database> database_;
};

TEST_F(EventLogTest, ReadsTheBatchThatHoldsTheNextSeq) {
  Insert(1, 3, "abc");
  Insert(4, 2, "de");
  EventLog log(*database_);
  for (const auto& [after, bytes] :
       {std::pair(0, "abc"), {1, "abc"}, {2, "abc"}, {3, "de"}, {4, "de"}}) {
    const auto batch = log.Read("job", after);
    ASSERT_TRUE(batch.ok() && *batch != nullptr) << after;
    EXPECT_EQ((*batch)->bytes, bytes) << after;
  }
  EXPECT_EQ((*log.Read("job", 4))->last_seq, 5);
  EXPECT_EQ(*log.Read("job", 5), nullptr);
  EXPECT_EQ(*log.Read("other", 0), nullptr);
}

TEST_F(EventLogTest, RowThatFailsItsChecksumIsDataLoss) {
  Insert(1, 3, "abc", /*damaged=*/true);
  EventLog log(*database_);
  const auto batch = log.Read("job", 0);
  EXPECT_TRUE(absl::IsDataLoss(batch.status()));
  EXPECT_EQ(ReasonOf(batch.status()), "EVENTS_CORRUPT");
}

TEST(EventHub, TellsSubscribersOfTheJobAndNoOthers) {
  EventHub hub;
  std::vector<int64_t> seqs;
  bool ended = false;
  const auto subscription = hub.Subscribe("job", [&](int64_t last_seq, bool terminal) {
    seqs.push_back(last_seq);
    ended = terminal;
  });
  hub.Publish("job", 1, false);
  hub.Publish("other", 9, true);
  EXPECT_FALSE(ended);
  hub.Publish("job", 5, true);
  EXPECT_THAT(seqs, ElementsAre(1, 5));
  EXPECT_TRUE(ended);
}

TEST(EventHub, EndedSubscriptionIsNeverCalledAgain) {
  EventHub hub;
  std::atomic<bool> done{false};
  std::thread publisher([&] {
    while (!done) hub.Publish("job", 1, false);
  });
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_unique<std::atomic<bool>>(true);
    auto subscription = hub.Subscribe("job", [&](int64_t, bool) { EXPECT_TRUE(*alive); });
    std::this_thread::yield();
    subscription.reset();
    *alive = false;
  }
  done = true;
  publisher.join();
}

}  // namespace
}  // namespace skytrain
