#include "common/spool/spool_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/spool/spool.h"
#include "tests/support/fault_injecting_file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

class SpoolQueueTest : public ::testing::Test {
 protected:
  TempDir dir_;
  const std::string path_ = dir_.File("rank-0.spool");

  std::unique_ptr<SpoolQueue> NewQueue(FileSystem& fs = FileSystem::Posix()) {
    auto queue = SpoolQueue::Create(fs, path_);
    EXPECT_TRUE(queue.ok()) << queue.status();
    return *std::move(queue);
  }

  std::vector<v1::Event> Events() {
    std::vector<v1::Event> events;
    auto reader = SpoolReader::Open(path_, 0);
    EXPECT_TRUE(reader.ok()) << reader.status();
    while (true) {
      const auto frame = (*reader)->Next();
      EXPECT_TRUE(frame.ok()) << frame.status();
      if (!frame.ok() || !frame->has_value()) return events;
      if ((*frame)->type != FrameType::kEvent) continue;
      EXPECT_TRUE(events.emplace_back().ParseFromString((*frame)->payload));
    }
  }

  // True once `done` holds; looks again until the deadline.
  bool Eventually(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      if (done()) return true;
      std::this_thread::yield();
    }
    return false;
  }
};

TEST_F(SpoolQueueTest, ASinglePointReachesTheFileWithoutAnyOtherCall) {
  auto queue = NewQueue();
  const uint32_t loss = queue->NameIndex("train/loss");
  ASSERT_TRUE(queue->PushMetric(loss, 17, 2, 0.25));
  ASSERT_TRUE(Eventually([this] { return !Events().empty(); }));
  const v1::Event event = Events()[0];
  EXPECT_TRUE(event.has_time());
  ASSERT_EQ(event.metrics().names_size(), 1);
  EXPECT_EQ(event.metrics().names(0), "train/loss");
  EXPECT_EQ(event.metrics().name(0), 0u);
  EXPECT_EQ(event.metrics().step(0), 17);
  EXPECT_EQ(event.metrics().epoch(0), 2u);
  EXPECT_EQ(event.metrics().value(0), 0.25);
}

TEST_F(SpoolQueueTest, ManyPointsArriveInOrderAndWithTheirNames) {
  constexpr int64_t kPoints = 300000;
  {
    auto queue = NewQueue();
    std::vector<uint32_t> names;
    for (int i = 0; i < 7; ++i) names.push_back(queue->NameIndex(absl::StrCat("m/", i)));
    for (int64_t i = 0; i < kPoints; ++i) {
      // A test may wait for room, a training loop never does.
      while (!queue->PushMetric(names[i % 7], i, static_cast<uint32_t>(i / 1000), i * 0.5)) {
        std::this_thread::yield();
      }
    }
  }
  int64_t next = 0;
  for (const v1::Event& event : Events()) {
    if (event.has_gap()) continue;  // Of refused pushes that were tried again.
    const v1::MetricBatch& batch = event.metrics();
    ASSERT_EQ(batch.step_size(), batch.value_size());
    ASSERT_EQ(batch.step_size(), batch.name_size());
    ASSERT_EQ(batch.step_size(), batch.epoch_size());
    ASSERT_LE(batch.step_size(), 4096);
    for (int k = 0; k < batch.step_size(); ++k, ++next) {
      ASSERT_EQ(batch.step(k), next);
      ASSERT_EQ(batch.value(k), next * 0.5);
      ASSERT_EQ(batch.epoch(k), next / 1000);
      ASSERT_EQ(batch.names(static_cast<int>(batch.name(k))), absl::StrCat("m/", next % 7));
    }
  }
  EXPECT_EQ(next, kPoints);
}

TEST_F(SpoolQueueTest, NotANumberAndInfinitiesAndExtremesSurvive) {
  const double infinity = std::numeric_limits<double>::infinity();
  {
    auto queue = NewQueue();
    const uint32_t loss = queue->NameIndex("train/loss");
    queue->PushMetric(loss, std::numeric_limits<int64_t>::max(),
                      std::numeric_limits<uint32_t>::max(), std::nan(""));
    queue->PushMetric(loss, -1, 0, infinity);
    queue->PushMetric(loss, 0, 0, -infinity);
    // Read back only after the queue has written all of it.
    ASSERT_TRUE(queue->WriteEvent(v1::Event(), false).ok());
  }
  std::vector<double> values;
  std::vector<int64_t> steps;
  for (const v1::Event& event : Events()) {
    values.insert(values.end(), event.metrics().value().begin(), event.metrics().value().end());
    steps.insert(steps.end(), event.metrics().step().begin(), event.metrics().step().end());
  }
  ASSERT_EQ(values.size(), 3u);
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], infinity);
  EXPECT_EQ(values[2], -infinity);
  EXPECT_EQ(steps, (std::vector<int64_t>{std::numeric_limits<int64_t>::max(), -1, 0}));
}

TEST_F(SpoolQueueTest, AWrittenEventComesAfterThePointsPushedBeforeIt) {
  auto queue = NewQueue();
  const uint32_t loss = queue->NameIndex("train/loss");
  for (int64_t i = 0; i < 5000; ++i) ASSERT_TRUE(queue->PushMetric(loss, i, 1, 1.0));
  v1::Event checkpoint;
  checkpoint.mutable_checkpoint()->set_step(5000);
  ASSERT_TRUE(queue->WriteEvent(checkpoint, true).ok());
  const std::vector<v1::Event> events = Events();
  int64_t points = 0;
  for (size_t i = 0; i + 1 < events.size(); ++i) points += events[i].metrics().step_size();
  EXPECT_EQ(points, 5000);
  EXPECT_EQ(events.back().checkpoint().step(), 5000);
  EXPECT_TRUE(events.back().has_time());
}

TEST_F(SpoolQueueTest, TheNewestProgressIsWritten) {
  auto queue = NewQueue();
  v1::Progress progress;
  for (int i = 1; i <= 1000; ++i) {
    progress.set_done(i);
    queue->PushProgress(progress);
  }
  ASSERT_TRUE(Eventually([this] {
    const auto events = Events();
    return !events.empty() && events.back().progress().done() == 1000;
  }));
}

TEST_F(SpoolQueueTest, PointsThatFindNoRoomAreCountedByAGap) {
  int64_t refused = 0;
  {
    auto queue = NewQueue();
    const uint32_t loss = queue->NameIndex("train/loss");
    // Faster than a disk for a while: far more points than the ring holds.
    for (int64_t i = 0; i < 2000000; ++i) refused += queue->PushMetric(loss, i, 1, 1.0) ? 0 : 1;
  }
  int64_t told = 0, points = 0;
  for (const v1::Event& event : Events()) {
    told += event.gap().records();
    points += event.metrics().step_size();
  }
  EXPECT_EQ(told, refused);
  EXPECT_EQ(points + told, 2000000);
}

TEST_F(SpoolQueueTest, AFullDiskCostsPointsAndSaysSoOnceThereIsRoom) {
  FaultInjectingFileSystem fs;
  auto queue = NewQueue(fs);
  const uint32_t loss = queue->NameIndex("train/loss");
  fs.LimitDisk(0);
  for (int64_t i = 0; i < 100; ++i) ASSERT_TRUE(queue->PushMetric(loss, i, 1, 1.0));
  v1::Event event;
  event.mutable_checkpoint()->set_step(100);
  EXPECT_TRUE(absl::IsResourceExhausted(queue->WriteEvent(event, false)));
  fs.UnlimitDisk();
  ASSERT_TRUE(queue->WriteEvent(event, false).ok());
  const std::vector<v1::Event> events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].gap().records(), 100);
  EXPECT_NE(events[0].gap().reason().find("No space left"), std::string::npos);
  EXPECT_EQ(events[1].checkpoint().step(), 100);
}

TEST_F(SpoolQueueTest, WritersOfSeveralThreadsDoNotMix) {
  auto queue = NewQueue();
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&queue, t] {
      for (int i = 0; i < 500; ++i) {
        v1::Event event;
        event.mutable_checkpoint()->set_step(i);
        event.mutable_checkpoint()->set_epoch(t);
        EXPECT_TRUE(queue->WriteEvent(event, false).ok());
        queue->NameIndex(absl::StrCat("thread/", t, "/", i));
      }
    });
  }
  const uint32_t loss = queue->NameIndex("train/loss");
  for (int i = 0; i < 20000; ++i) queue->PushMetric(loss, i, 1, 1.0);
  for (std::thread& thread : threads) thread.join();
  std::vector<int64_t> next(3, 0);
  for (const v1::Event& event : Events()) {
    if (event.has_checkpoint()) {
      EXPECT_EQ(event.checkpoint().step(), next[event.checkpoint().epoch()]++);
    }
  }
  EXPECT_EQ(next, (std::vector<int64_t>{500, 500, 500}));
}

}  // namespace
}  // namespace skytrain
