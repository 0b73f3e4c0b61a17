#include "server/events/event_filter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "server/events/filtered_batches.h"

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

std::string Filtered(const EventBatch& batch, int64_t after_seq, std::vector<v1::EventKind> kinds) {
  EventFilter filter;
  filter.kinds = std::move(kinds);
  return FilterBatch(batch, after_seq, filter, {}).value().bytes;
}

using Seqs = std::vector<int64_t>;

TEST(EventFilterTest, DropsWhatTheSubscriberHas) {
  EXPECT_EQ(SeqsOf(Filtered(Batch(), 10, {})), (Seqs{11, 12, 13}));
  EXPECT_EQ(SeqsOf(Filtered(Batch(), 12, {})), (Seqs{13}));
}

TEST(EventFilterTest, KeepsTheKindsAskedFor) {
  EXPECT_EQ(SeqsOf(Filtered(Batch(), 10, {v1::METRICS})), (Seqs{12}));
  EXPECT_EQ(SeqsOf(Filtered(Batch(), 11, {v1::STATE, v1::LOG})), (Seqs{13}));
}

TEST(EventFilterTest, NothingLeftIsAnEmptyString) {
  EXPECT_EQ(Filtered(Batch(), 13, {}), "");
  EXPECT_EQ(Filtered(Batch(), 10, {v1::CHECKPOINT}), "");
}

TEST(EventFilterTest, BytesThatAreNoEventsAreDataLoss) {
  EXPECT_EQ(ReasonOf(FilterBatch({1, 1, "\xff\xff"}, 0, {}, {}).status()), "EVENTS_CORRUPT");
}

// One event with the values of "loss" and "lr" at the steps `from` … `to`; value = step.
EventBatch Measured(int64_t seq, int64_t from, int64_t to) {
  v1::WatchEventsResponse events;
  v1::Event& event = *events.add_events();
  event.set_seq(seq);
  v1::MetricBatch& batch = *event.mutable_metrics();
  batch.add_names("loss");
  batch.add_names("lr");
  for (int64_t step = from; step <= to; ++step) {
    for (const uint32_t name : {0, 1}) {
      batch.add_name(name);
      batch.add_step(step);
      batch.add_epoch(1);
      batch.add_value(static_cast<double>(step));
    }
  }
  return {seq, seq, events.SerializeAsString()};
}

std::vector<std::string> PointsOf(const std::string& bytes) {
  v1::WatchEventsResponse response;
  EXPECT_TRUE(response.ParseFromString(bytes));
  std::vector<std::string> points;
  for (const v1::Event& event : response.events()) {
    const v1::MetricBatch& batch = event.metrics();
    for (int i = 0; i < batch.value_size(); ++i) {
      points.push_back(
          absl::StrCat(batch.names(static_cast<int>(batch.name(i))), "@", batch.step(i)));
    }
  }
  return points;
}

using Points = std::vector<std::string>;

TEST(EventFilterTest, KeepsTheMetricsAskedFor) {
  EventFilter filter;
  filter.metric_names = {"lr"};
  EXPECT_EQ(PointsOf(FilterBatch(Measured(1, 1, 2), 0, filter, {})->bytes),
            (Points{"lr@1", "lr@2"}));
  filter.metric_names = {"none"};
  EXPECT_EQ(FilterBatch(Measured(1, 1, 2), 0, filter, {})->bytes, "");
}

TEST(EventFilterTest, StrideKeepsTheFirstPointOfEachStretchAcrossBatches) {
  EventFilter filter;
  filter.metric_stride = 10;
  filter.metric_names = {"loss"};
  const FilteredBatch first = *FilterBatch(Measured(1, 8, 15), 0, filter, {});
  EXPECT_EQ(PointsOf(first.bytes), (Points{"loss@8", "loss@10"}));
  const FilteredBatch second = *FilterBatch(Measured(2, 16, 21), 0, filter, first.stride_state);
  EXPECT_EQ(PointsOf(second.bytes), (Points{"loss@20"}));
  // A resume goes back to earlier steps.
  const FilteredBatch resumed = *FilterBatch(Measured(3, 12, 14), 0, filter, second.stride_state);
  EXPECT_EQ(PointsOf(resumed.bytes), (Points{"loss@12"}));
}

TEST(EventFilterTest, StrideKeepsEveryValueThatIsNotFinite) {
  v1::WatchEventsResponse events;
  v1::Event& event = *events.add_events();
  event.set_seq(1);
  event.mutable_metrics()->add_names("loss");
  for (const double value : {1.0, std::nan(""), HUGE_VAL, 2.0}) {
    event.mutable_metrics()->add_name(0);
    event.mutable_metrics()->add_step(event.metrics().value_size());
    event.mutable_metrics()->add_epoch(1);
    event.mutable_metrics()->add_value(value);
  }
  EventFilter filter;
  filter.metric_stride = 100;
  EXPECT_EQ(PointsOf(FilterBatch({1, 1, events.SerializeAsString()}, 0, filter, {})->bytes),
            (Points{"loss@0", "loss@1", "loss@2"}));
}

TEST(FilteredBatchesTest, SubscribersWithOneFilterShareOneEncoding) {
  FilteredBatches batches;
  EventFilter filter, other;
  filter.metric_stride = other.metric_stride = 10;
  filter.metric_names = {"loss"};
  other.metric_names = {"lr"};
  const EventBatch batch = Measured(1, 1, 50);
  const auto first = batches.Get("job", batch, filter, {});
  EXPECT_EQ(*batches.Get("job", batch, filter, {}), *first);
  EXPECT_NE(*batches.Get("job", batch, other, {}), *first);
  // One who has seen a part of the stretch gets something else.
  EXPECT_NE(*batches.Get("job", batch, filter, {{"loss", 0}}), *first);
}

}  // namespace
}  // namespace skytrain
