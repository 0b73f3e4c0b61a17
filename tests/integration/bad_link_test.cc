// Watches over links that break: each ends whole, gap-free and without a duplicate. The real daemon
// and shepherd, the fake worker, the client's own code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/api/watch.h"
#include "tests/integration/daemon.h"
#include "tests/integration/tls_world.h"
#include "tests/support/bad_proxy.h"

namespace skytrain::client {
namespace {

// How many watches: SKYTRAIN_WATCHES, else a number that takes seconds.
int Watches() {
  const char* text = getenv("SKYTRAIN_WATCHES");
  int count = 0;
  return text != nullptr && absl::SimpleAtoi(text, &count) ? count : 30;
}

class Collector : public WatchObserver {
 public:
  void OnEvent(const v1::Event& event) override {
    events.push_back(event.SerializeAsString());
    if (on_event) on_event();
  }
  void OnLinkLost(absl::string_view reason) override {
    ++lost;
    if (on_lost) on_lost();
  }
  void OnLinkBack(absl::Duration, int64_t, int64_t) override { ++back; }

  std::vector<std::string> events;
  int lost = 0, back = 0;
  std::function<void()> on_event, on_lost;
};

std::vector<std::string> Stored(const Daemon& daemon, const std::string& job) {
  const absl::StatusOr<std::vector<v1::Event>> events =
      JobClient(daemon.Connect()).Events(job, 0, /*follow=*/false);
  EXPECT_TRUE(events.ok()) << events.status();
  std::vector<std::string> stored;
  for (const v1::Event& event : *events) stored.push_back(event.SerializeAsString());
  return stored;
}

class BadLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemon_.Start();
    ASSERT_TRUE(started.ok()) << started;
    const absl::StatusOr<v1::ServerInfo> info =
        Client(Target::Unix(daemon_.SocketPath()), interrupt_).GetServerInfo();
    ASSERT_TRUE(info.ok()) << info.status();
    // The owner of the socket's jobs also over TLS.
    options_.token = TlsWorld::Token(daemon_, info->caller());
    options_.tls.ca = world_.dir.File("trusted.pem");
    WriteWhole(options_.tls.ca, world_.ca.certificate());
  }

  // The job's name; it runs for some 300 ms.
  std::string Submit() {
    const absl::StatusOr<v1::Job> job =
        JobClient(daemon_.Connect()).Create({{"epochs", "4"}, {"steps", "15"}, {"step_ms", "5"}});
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }

  absl::Status Follow(const std::string& server, const std::string& job, Collector& collector) {
    Client client(*ResolveTarget(server, {}), interrupt_, options_);
    WatchOptions watch;
    watch.job = job;
    watch.backoff = Backoff(absl::Milliseconds(5), absl::Milliseconds(200));
    return Watch(client, std::move(watch), collector);
  }

  TlsWorld world_;
  Daemon daemon_{world_.Flags()};
  Interrupt interrupt_;
  ConnectOptions options_;
};

TEST_F(BadLinkTest, EveryWatchThroughABadProxyIsWhole) {
  constexpr int kThreads = 8;
  // First answers may take long here: several connects in a row may break.
  options_.patience.length = absl::Minutes(2);
  BadProxy over_unix("unix:" + daemon_.SocketPath(), 7), over_tls(daemon_.TlsAddress(), 11);
  std::vector<std::string> finished;
  for (int i = 0; i < 3; ++i) {
    finished.push_back(Submit());
    ASSERT_TRUE(JobClient(daemon_.Connect()).Wait(finished.back()).ok());
  }
  const int watches = Watches();
  std::atomic<int> next = 0, lost = 0, back = 0;
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int number = next++; number < watches; number = next++) {
        const std::string job = number % 2 == 0 ? finished[number % 3] : Submit();
        Collector collector;
        const absl::Status status =
            Follow(number % 4 < 2 ? over_unix.front() : over_tls.front(), job, collector);
        EXPECT_TRUE(status.ok()) << number << ": " << status;
        const std::vector<std::string> stored = Stored(daemon_, job);
        EXPECT_GT(stored.size(), 50u);
        EXPECT_TRUE(collector.events == stored)
            << number << ": " << collector.events.size() << " of " << stored.size() << " events";
        EXPECT_EQ(collector.lost, collector.back);
        lost += collector.lost;
        back += collector.back;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t faults[BadProxy::kFaults];
  for (int i = 0; i < BadProxy::kFaults; ++i) {
    const auto fault = static_cast<BadProxy::Fault>(i);
    faults[i] = over_unix.count(fault) + over_tls.count(fault);
  }
  std::printf(
      "%d watches in %.1f s: %d links lost and found; connections whole %ld, delayed %ld, "
      "dropped %ld, reset %ld, truncated %ld\n",
      watches, absl::ToDoubleSeconds(absl::Now() - start), lost.load(), faults[BadProxy::kNone],
      faults[BadProxy::kDelay], faults[BadProxy::kDrop], faults[BadProxy::kReset],
      faults[BadProxy::kTruncate]);
  // Else the proxy was no bad one.
  EXPECT_GT(faults[BadProxy::kDrop] + faults[BadProxy::kReset] + faults[BadProxy::kTruncate], 0);
  EXPECT_GT(lost.load(), 0);
}

TEST_F(BadLinkTest, AWatchRidesOutARestartOfTheDaemon) {
  const absl::StatusOr<v1::Job> job =
      JobClient(daemon_.Connect()).Create({{"epochs", "4"}, {"steps", "50"}, {"step_ms", "10"}});
  ASSERT_TRUE(job.ok()) << job.status();
  Collector collector;
  bool killed = false;
  collector.on_event = [&] {
    if (collector.events.size() < 40 || std::exchange(killed, true)) return;
    daemon_.Kill();
  };
  collector.on_lost = [&] {
    const absl::Status started = daemon_.Start();
    EXPECT_TRUE(started.ok()) << started;
  };
  const absl::Status status = Follow("unix:" + daemon_.SocketPath(), job->name(), collector);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(killed);
  EXPECT_EQ(collector.lost, 1);
  EXPECT_EQ(collector.back, 1);
  EXPECT_TRUE(collector.events == Stored(daemon_, job->name()));
}

// It used to end after a second.
TEST_F(BadLinkTest, AWatchThatBeginsWhileTheDaemonIsDownWaitsForIt) {
  const std::string job = Submit();
  ASSERT_TRUE(JobClient(daemon_.Connect()).Wait(job).ok());
  daemon_.Kill();
  std::atomic<bool> waiting = false;
  options_.patience.on_waiting = [&](const absl::Status&) { waiting = true; };
  Collector collector;
  absl::Status status;
  std::thread watcher([&] { status = Follow("unix:" + daemon_.SocketPath(), job, collector); });
  while (!waiting) std::this_thread::yield();
  const absl::Status started = daemon_.Start();
  EXPECT_TRUE(started.ok()) << started;
  watcher.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(collector.events == Stored(daemon_, job));
}

}  // namespace
}  // namespace skytrain::client
