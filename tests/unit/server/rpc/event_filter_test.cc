#include "server/rpc/event_filter.h"

#include <gtest/gtest.h>

#include "common/errors.h"

namespace skytrain {
namespace {

// Events 11 (state), 12 (metrics), 13 (log).
EventBatch Batch() {
  v1::WatchEventsResponse events;
  events.add_events()->mutable_state();
  events.add_events()->mutable_metrics();
  events.add_events()->mutable_log();
  for (int i = 0; i < 3; ++i) events.mutable_events(i)->set_seq(11 + i);
  return {11, 13, events.SerializeAsString()};
}

std::vector<int64_t> SeqsOf(const std::string& bytes) {
  v1::WatchEventsResponse response;
  EXPECT_TRUE(response.ParseFromString(bytes));
  EXPECT_EQ(response.position(), 13);
  std::vector<int64_t> seqs;
  for (const v1::Event& event : response.events()) seqs.push_back(event.seq());
  return seqs;
}

using Seqs = std::vector<int64_t>;

TEST(EventFilterTest, DropsWhatTheSubscriberHas) {
  EXPECT_EQ(SeqsOf(FilterBatch(Batch(), 10, {}).value()), (Seqs{11, 12, 13}));
  EXPECT_EQ(SeqsOf(FilterBatch(Batch(), 12, {}).value()), (Seqs{13}));
}

TEST(EventFilterTest, KeepsTheKindsAskedFor) {
  EXPECT_EQ(SeqsOf(FilterBatch(Batch(), 10, {v1::METRICS}).value()), (Seqs{12}));
  EXPECT_EQ(SeqsOf(FilterBatch(Batch(), 11, {v1::STATE, v1::LOG}).value()), (Seqs{13}));
}

TEST(EventFilterTest, NothingLeftIsAnEmptyString) {
  EXPECT_EQ(FilterBatch(Batch(), 13, {}).value(), "");
  EXPECT_EQ(FilterBatch(Batch(), 10, {v1::CHECKPOINT}).value(), "");
}

TEST(EventFilterTest, BytesThatAreNoEventsAreDataLoss) {
  EXPECT_EQ(ReasonOf(FilterBatch({1, 1, "\xff\xff"}, 0, {}).status()), "EVENTS_CORRUPT");
}

}  // namespace
}  // namespace skytrain
