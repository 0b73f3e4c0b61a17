// What WatchEvents promises, rule by rule, over gRPC on a real database.
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/event_rows.h"
#include "tests/contract/watch_world.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kAttempts = 50;

// One byte of a galaxy's name in UTF-8, cut in the middle, and a NUL.
const std::string kCutLog("M\xc3\0", 3);

// A job over many attempts whose events fill several batches.
std::unique_ptr<JobJournal> WriteHistory(WatchWorld& world, int attempts = kAttempts) {
  auto journal = world.NewJob("history");
  for (int attempt = 1; attempt <= attempts; ++attempt) {
    BeginAttempt(*journal);
    WatchWorld::Commit(*journal, [&](JobJournal::Draft& draft) {
      draft.Append(MetricEvent(attempt, {1.0 / attempt, std::nan(""), HUGE_VAL, -HUGE_VAL}));
      draft.Append(LogEvent(kCutLog));
      // More than one row in one transaction.
      for (int i = 0; i < 3; ++i) draft.Append(LogEvent(std::string(30'000, 'x')));
    });
    if (attempt == attempts) break;
    WatchWorld::Commit(*journal, [&](JobJournal::Draft& draft) {
      EXPECT_TRUE(draft.Apply(JobEventType::kRetry, "again", v1::WORKER_CRASHED).ok());
    });
  }
  EndJob(*journal);
  return journal;
}

// Whether the daemon still has the events in memory, or only in a database that it opens anew.
enum class Path { kLive, kStored };

class WatchContract : public ::testing::TestWithParam<Path> {
 protected:
  std::unique_ptr<JobJournal> History(int attempts = kAttempts) {
    auto journal = WriteHistory(world_, attempts);
    if (GetParam() == Path::kStored) world_.Restart();
    return journal;
  }

  WatchWorld world_;
};

INSTANTIATE_TEST_SUITE_P(Paths, WatchContract, ::testing::Values(Path::kLive, Path::kStored),
                         [](const auto& info) {
                           return info.param == Path::kLive ? "Live" : "Stored";
                         });

TEST_P(WatchContract, FinishedJobReplaysWhatIsStoredByteForByteAndEndsOk) {
  const auto journal = History();
  const auto stored = world_.Stored(journal->uid());
  const Watched watched = WatchAll(*world_.Connect(), WatchRequest("history"));
  EXPECT_TRUE(watched.status.ok()) << watched.status;
  ASSERT_EQ(watched.events.size(), stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(watched.events[i].seq(), static_cast<int64_t>(i) + 1);
    EXPECT_EQ(watched.events[i].SerializeAsString(), stored[i].SerializeAsString());
  }
  EXPECT_EQ(watched.events.back().attempt(), kAttempts);
  EXPECT_TRUE(watched.events.back().state().has_termination());
}

TEST_P(WatchContract, ResumesAfterEverySeqWithoutRepeatOrSkip) {
  const auto journal = History(/*attempts=*/12);
  const auto stub = world_.Connect();
  const auto last = static_cast<int64_t>(world_.Stored(journal->uid()).size());
  for (int64_t after = 0; after <= last; ++after) {
    const Watched watched = WatchAll(*stub, WatchRequest("history", after));
    ASSERT_TRUE(watched.status.ok()) << watched.status;
    ASSERT_THAT(watched.events, SizeIs(last - after)) << "after " << after;
    int64_t seq = after;
    for (const v1::Event& event : watched.events) ASSERT_EQ(event.seq(), ++seq);
  }
}

TEST_P(WatchContract, NaNAndInfinitiesSurviveBitForBit) {
  History();
  v1::WatchEventsRequest request = WatchRequest("history");
  request.add_kinds(v1::METRICS);
  const Watched watched = WatchAll(*world_.Connect(), request);
  ASSERT_THAT(watched.events, SizeIs(kAttempts));
  for (const v1::Event& event : watched.events) {
    const double expected[] = {1.0 / event.attempt(), std::nan(""), HUGE_VAL, -HUGE_VAL};
    ASSERT_EQ(event.metrics().value_size(), 4);
    EXPECT_EQ(std::memcmp(event.metrics().value().data(), expected, sizeof(expected)), 0);
  }
}

TEST_P(WatchContract, LogsAreBytesSplitAnywhere) {
  History();
  v1::WatchEventsRequest request = WatchRequest("history");
  request.add_kinds(v1::LOG);
  int cut = 0;
  for (const v1::Event& event : WatchAll(*world_.Connect(), request).events) {
    cut += event.log().data() == kCutLog;
  }
  EXPECT_EQ(cut, kAttempts);
}

TEST_P(WatchContract, BeyondTheEndIsOutOfRange) {
  const auto journal = History();
  const auto last = static_cast<int64_t>(world_.Stored(journal->uid()).size());
  const auto stub = world_.Connect();
  EXPECT_EQ(ReasonOf(WatchAll(*stub, WatchRequest("history", last + 1)).status),
            "SEQ_OUT_OF_RANGE");
  const Watched at_end = WatchAll(*stub, WatchRequest("history", last));
  EXPECT_TRUE(at_end.status.ok()) << at_end.status;
  EXPECT_THAT(at_end.events, IsEmpty());
}

TEST_P(WatchContract, BelowTheRetainedRangeTheFirstAnswerIsTruncated) {
  const auto journal = History();
  constexpr int64_t kCut = 100;
  int64_t first_available = 0;
  ASSERT_TRUE(
      world_.database()
          .Write(
              Database::Priority::kControl,
              [&](Connection& connection) -> absl::Status {
                const auto row = FindBatch(connection, journal->uid(), kCut);
                first_available = (*row)->first_seq;
                absl::Status status =
                    SetFirstAvailableSeq(connection, journal->uid(), first_available);
                status.Update(
                    DeleteBatchesBelow(connection, journal->uid(), first_available, 1000).status());
                return status;
              })
          .ok());
  ASSERT_GT(first_available, 1);
  const auto stub = world_.Connect();
  for (const int64_t after : {int64_t{0}, first_available - 2}) {
    const Watched watched = WatchAll(*stub, WatchRequest("history", after));
    EXPECT_TRUE(watched.status.ok()) << watched.status;
    ASSERT_FALSE(watched.responses.empty());
    EXPECT_EQ(watched.responses[0].truncated().first_available_seq(), first_available);
    ASSERT_FALSE(watched.events.empty());
    EXPECT_EQ(watched.events.front().seq(), first_available);
  }
  const Watched whole = WatchAll(*stub, WatchRequest("history", first_available - 1));
  EXPECT_FALSE(whole.responses.at(0).has_truncated());
  EXPECT_EQ(whole.events.front().seq(), first_available);
}

TEST_P(WatchContract, FilteredStreamTellsItsPositionToTheEnd) {
  const auto journal = History();
  v1::WatchEventsRequest request = WatchRequest("history");
  request.add_kinds(v1::STATE);
  const Watched watched = WatchAll(*world_.Connect(), request);
  EXPECT_TRUE(watched.status.ok()) << watched.status;
  // Created; assigned, started and ended of each attempt.
  EXPECT_THAT(watched.events, SizeIs(1 + 3 * kAttempts));
  int64_t position = 0;
  for (const v1::WatchEventsResponse& response : watched.responses) {
    EXPECT_GE(response.position(), position);
    position = response.position();
  }
  EXPECT_EQ(position, watched.events.back().seq());
}

TEST_P(WatchContract, StrideLetsOnePointOfEachStretchThrough) {
  auto journal = world_.NewJob("long");
  BeginAttempt(*journal);
  for (int64_t step = 0; step < 1000; step += 50) {
    WatchWorld::Commit(*journal, [&](JobJournal::Draft& draft) {
      draft.Append(MetricEvent(step, std::vector<double>(50, 0.5)));
    });
  }
  EndJob(*journal);
  if (GetParam() == Path::kStored) world_.Restart();
  v1::WatchEventsRequest request = WatchRequest("long");
  request.set_metric_stride(100);
  request.add_metric_names("train/loss");
  std::vector<int64_t> steps;
  for (const v1::Event& event : WatchAll(*world_.Connect(), request).events) {
    steps.insert(steps.end(), event.metrics().step().begin(), event.metrics().step().end());
  }
  EXPECT_THAT(steps, ::testing::ElementsAre(0, 100, 200, 300, 400, 500, 600, 700, 800, 900));
  request.clear_metric_names();
  request.add_metric_names("val/loss");
  for (const v1::Event& event : WatchAll(*world_.Connect(), request).events) {
    EXPECT_FALSE(event.has_metrics());
  }
}

TEST(WatchContractTest, BatchThatFailsItsChecksumIsDataLossThatNamesIt) {
  WatchWorld world;
  const auto journal = WriteHistory(world);
  int64_t damaged = 0;
  ASSERT_TRUE(
      world.database()
          .Write(Database::Priority::kControl,
                 [&](Connection& connection) -> absl::Status {
                   damaged = (*FindBatch(connection, journal->uid(), 200))->first_seq;
                   return connection.Execute(absl::StrCat(
                       "UPDATE event_batches SET crc32c = crc32c + 1 WHERE first_seq = ", damaged));
                 })
          .ok());
  world.Restart();
  const Watched watched = WatchAll(*world.Connect(), WatchRequest("history"));
  EXPECT_TRUE(absl::IsDataLoss(watched.status)) << watched.status;
  EXPECT_EQ(ReasonOf(watched.status), "EVENTS_CORRUPT");
  EXPECT_THAT(std::string(watched.status.message()), HasSubstr(absl::StrCat(damaged)));
  // Everything before it came, nothing of it.
  ASSERT_FALSE(watched.events.empty());
  EXPECT_EQ(watched.events.back().seq(), damaged - 1);
}

TEST(WatchContractTest, FollowingAQueuedJobAnswersAtOnce) {
  WatchWorld world;
  const auto journal = world.NewJob("queued");
  const Watched watched = WatchAll(*world.Connect(), WatchRequest("queued"),
                                   [](const v1::WatchEventsResponse&) { return true; });
  ASSERT_THAT(watched.events, SizeIs(1));
  EXPECT_EQ(watched.events[0].state().to(), v1::QUEUED);
}

TEST(WatchContractTest, WithoutFollowItEndsAtThePresentEnd) {
  WatchWorld world;
  const auto journal = world.NewJob("queued");
  const Watched watched = WatchAll(*world.Connect(), WatchRequest("queued", 0, false));
  EXPECT_TRUE(watched.status.ok()) << watched.status;
  EXPECT_THAT(watched.events, SizeIs(1));
}

TEST(WatchContractTest, EventsAreDurableBeforeTheyAreSentAndTheStreamEndsAfterTheLast) {
  WatchWorld world;
  const auto journal = world.NewJob("live");
  std::thread writer([&] {
    BeginAttempt(*journal);
    for (int64_t step = 0; step < 300; ++step) {
      WatchWorld::Commit(*journal,
                         [&](JobJournal::Draft& draft) { draft.Append(MetricEvent(step, {0.5})); });
    }
    EndJob(*journal);
  });
  int64_t committed = 0;
  const Watched watched =
      WatchAll(*world.Connect(), WatchRequest("live"), [&](const v1::WatchEventsResponse& sent) {
        const int64_t last = sent.events().rbegin()->seq();
        const absl::Status read = world.database().Read([&](Connection& connection) {
          const auto row = FindBatch(connection, journal->uid(), last);
          if (row.ok() && row->has_value()) committed = (*row)->first_seq + (*row)->count - 1;
          return row.status();
        });
        EXPECT_TRUE(read.ok()) << read;
        EXPECT_GE(committed, last);
        return false;
      });
  writer.join();
  EXPECT_TRUE(watched.status.ok()) << watched.status;
  int64_t seq = 0;
  for (const v1::Event& event : watched.events) EXPECT_EQ(event.seq(), ++seq);
  ASSERT_THAT(watched.events, SizeIs(304));
  EXPECT_TRUE(watched.events.back().state().has_termination());
}

TEST(WatchContractTest, QuietStreamsSayWhereTheyStand) {
  JobServiceImpl::Limits limits;
  limits.watch_quiet = absl::Milliseconds(100);
  WatchWorld world(limits);
  const auto journal = world.NewJob("quiet");
  const auto stub = world.Connect();
  for (const bool filtered : {false, true}) {
    v1::WatchEventsRequest request = WatchRequest("quiet");
    if (filtered) request.add_kinds(v1::CHECKPOINT);
    int signs_of_life = 0;
    WatchAll(*stub, request, [&](const v1::WatchEventsResponse& response) {
      if (response.events().empty()) {
        EXPECT_EQ(response.position(), 1);
        ++signs_of_life;
      }
      return signs_of_life == 3;
    });
    EXPECT_EQ(signs_of_life, 3);
  }
}

TEST(WatchContractTest, OneEncodingIsSharedByAllWhoFollow) {
  WatchWorld world;
  const auto journal = world.NewJob("shared");
  BeginAttempt(*journal);
  constexpr int kFollowers = 20;
  std::vector<std::thread> followers;
  std::atomic<int> opened{0}, complete{0};
  for (int i = 0; i < kFollowers; ++i) {
    followers.emplace_back([&] {
      bool first = true;
      const Watched watched =
          WatchAll(*world.Connect(), WatchRequest("shared"), [&](const v1::WatchEventsResponse&) {
            if (std::exchange(first, false)) ++opened;
            return false;
          });
      complete += watched.status.ok() && watched.events.size() == 104;
    });
  }
  while (opened < kFollowers) std::this_thread::yield();
  const int64_t misses = world.hub().recent().counts().misses;
  for (int64_t step = 0; step < 100; ++step) {
    WatchWorld::Commit(*journal, [&](JobJournal::Draft& draft) {
      draft.Append(MetricEvent(step, std::vector<double>(100, 0.5)));
    });
  }
  const auto batch = world.log().Read(journal->uid(), 50);
  EXPECT_EQ(*batch, *world.log().Read(journal->uid(), 50)) << "the same memory";
  EndJob(*journal);
  for (std::thread& follower : followers) follower.join();
  EXPECT_EQ(complete, kFollowers);
  // Nobody asked the database for what was committed while they followed.
  EXPECT_EQ(world.hub().recent().counts().misses, misses);
}

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(WatchContractTest, StalledSubscribersCostConstantMemoryAndNoReadTransaction) {
  WatchWorld world;
  const auto journal = world.NewJob("stalled");
  BeginAttempt(*journal);
  struct Stalled {
    std::unique_ptr<v1::JobService::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader;
  };
  std::vector<std::unique_ptr<Stalled>> stalled;
  for (int i = 0; i < 10; ++i) {
    auto& one = *stalled.emplace_back(std::make_unique<Stalled>());
    one.stub = world.Connect();
    one.reader = one.stub->WatchEvents(&one.context, WatchRequest("stalled"));
    v1::WatchEventsResponse response;
    ASSERT_TRUE(one.reader->Read(&response));  // It is open; from now on nobody reads.
  }
  const auto write = [&](int megabytes) {
    for (int i = 0; i < megabytes; ++i) {
      WatchWorld::Commit(*journal, [](JobJournal::Draft& draft) {
        for (int part = 0; part < 16; ++part) draft.Append(LogEvent(std::string(64'000, 'x')));
      });
    }
  };
  write(40);  // Fills every buffer that there is, RecentBatches among them.
  const int64_t before = ResidentBytes();
  write(80);
  EXPECT_LT(ResidentBytes() - before, 20 << 20);
  EXPECT_LT(std::filesystem::file_size(world.path() + "/skytrain.db-wal"), size_t{40} << 20);
  for (const auto& one : stalled) one->context.TryCancel();
  for (const auto& one : stalled) one->reader->Finish();
}

TEST(WatchContractTest, CallerWithTooManyStreamsIsToldSo) {
  JobServiceImpl::Limits limits;
  limits.watches_per_caller = 2;
  WatchWorld world(limits);
  const auto journal = world.NewJob("popular");
  const auto stub = world.Connect();
  grpc::ClientContext contexts[2];
  std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> readers[2];
  v1::WatchEventsResponse response;
  for (int i = 0; i < 2; ++i) {
    readers[i] = stub->WatchEvents(&contexts[i], WatchRequest("popular"));
    ASSERT_TRUE(readers[i]->Read(&response));
  }
  const absl::Status refused = WatchAll(*stub, WatchRequest("popular")).status;
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "TOO_MANY_STREAMS");
  // One that ends makes room, as soon as the server has noticed.
  contexts[0].TryCancel();
  readers[0]->Finish();
  absl::Status again = refused;
  while (absl::IsResourceExhausted(again)) {
    again = WatchAll(*stub, WatchRequest("popular", 0, false)).status;
  }
  EXPECT_TRUE(again.ok()) << again;
  contexts[1].TryCancel();
  readers[1]->Finish();
}

}  // namespace
}  // namespace skytrain
