// A peer that stops answering without a word, as one behind a firewall that forgot the connection:
// its process is stopped, so the kernel still takes what is sent and nothing comes back.
//
// SKYTRAIN_KEEPALIVE=1 waits for the keepalive times of client (40 s) and server (80 s) as they
// are.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/api/watch.h"
#include "common/errors.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr absl::Duration kClientKeepalive = absl::Seconds(40);
constexpr absl::Duration kServerKeepalive = absl::Seconds(80);
constexpr absl::Duration kSlack = absl::Seconds(15);

class DeadPeerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemon_.Start();
    ASSERT_TRUE(started.ok()) << started;
    ASSERT_TRUE(JobClient(daemon_.Connect()).Create({{"hang", "1"}}, "runs").ok());
  }
  static bool WaitsForKeepalive() { return getenv("SKYTRAIN_KEEPALIVE") != nullptr; }

  // Open sockets of the daemon.
  int Sockets() const {
    int count = 0;
    std::error_code gone;
    for (const auto& fd :
         std::filesystem::directory_iterator(absl::StrCat("/proc/", daemon_.pid(), "/fd"))) {
      const std::string target = std::filesystem::read_symlink(fd.path(), gone).string();
      count += target.rfind("socket:", 0) == 0;
    }
    return count;
  }
  // Until `condition` holds; how long that took.
  template <typename Condition>
  static absl::Duration WaitFor(absl::Duration at_most, Condition condition) {
    const absl::Time start = absl::Now();
    while (!condition() && absl::Now() - start < at_most) absl::SleepFor(absl::Milliseconds(20));
    return absl::Now() - start;
  }

  Daemon daemon_;
};

// The mechanism, with a keepalive of two seconds.
TEST_F(DeadPeerTest, PingsEndAWatchWhoseServerStopsAnswering) {
  // Not ClientChannelArguments: of an argument that is set twice the first one counts.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 1'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 1'000);
  JobClient client(daemon_.Connect(arguments));
  v1::WatchEventsRequest request;
  request.set_name("jobs/runs");
  request.set_follow(true);
  std::atomic<bool> watching = false;
  std::atomic<bool> ended = false;
  absl::Status status;
  std::thread watcher([&] {
    status = client.Watch(request, [&](const v1::WatchEventsResponse&) { return watching = true; });
    ended = true;
  });
  WaitFor(absl::Seconds(20), [&] { return watching.load(); });
  kill(daemon_.pid(), SIGSTOP);
  EXPECT_LT(WaitFor(absl::Seconds(20), [&] { return ended.load(); }), absl::Seconds(10));
  kill(daemon_.pid(), SIGCONT);
  watcher.join();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

class Observer : public client::WatchObserver {
 public:
  void OnEvent(const v1::Event&) override { ++events; }
  void OnLinkLost(absl::string_view) override { lost = true; }
  std::atomic<int> events = 0;
  std::atomic<bool> lost = false;
};

TEST_F(DeadPeerTest, ClientNoticesWithinItsKeepaliveTimeAndNamesTheHop) {
  if (!WaitsForKeepalive()) GTEST_SKIP() << "SKYTRAIN_KEEPALIVE=1 waits for 40 s";
  client::Interrupt interrupt;
  client::ConnectOptions options;
  options.give_up = kClientKeepalive + kSlack;
  client::Client client(client::Target::Unix(daemon_.SocketPath()), interrupt, options);
  Observer observer;
  absl::Status status;
  std::thread watcher([&] {
    client::WatchOptions watch;
    watch.job = "jobs/runs";
    status = client::Watch(client, std::move(watch), observer);
  });
  WaitFor(absl::Seconds(20), [&] { return observer.events > 0; });
  kill(daemon_.pid(), SIGSTOP);
  const absl::Duration took =
      WaitFor(kClientKeepalive + kSlack, [&] { return observer.lost.load(); });
  watcher.join();
  kill(daemon_.pid(), SIGCONT);
  EXPECT_TRUE(observer.lost);
  RecordProperty("seconds", absl::StrCat(absl::ToDoubleSeconds(took)));
  EXPECT_EQ(ReasonOf(status), "GAVE_UP") << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(daemon_.SocketPath()));
}

TEST_F(DeadPeerTest, ServerDropsTheWatchOfAClientThatStopsAnswering) {
  if (!WaitsForKeepalive()) GTEST_SKIP() << "SKYTRAIN_KEEPALIVE=1 waits for 80 s";
  const std::string server = "unix:" + daemon_.SocketPath();
  const std::string program = SKYTRAIN_BIN_DIR "/skytrain";
  const char* argv[] = {program.c_str(), "--server", server.c_str(), "watch", "jobs/runs", nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
  }
  const int idle = Sockets();
  pid_t client = 0;
  ASSERT_EQ(
      posix_spawn(&client, program.c_str(), &actions, nullptr, const_cast<char**>(argv), environ),
      0);
  posix_spawn_file_actions_destroy(&actions);
  WaitFor(absl::Seconds(20), [&] { return Sockets() > idle; });
  ASSERT_GT(Sockets(), idle);
  kill(client, SIGSTOP);
  const absl::Duration took = WaitFor(kServerKeepalive + kSlack, [&] { return Sockets() <= idle; });
  EXPECT_LE(Sockets(), idle);
  RecordProperty("seconds", absl::StrCat(absl::ToDoubleSeconds(took)));
  kill(client, SIGKILL);
  waitpid(client, nullptr, 0);
}

}  // namespace
}  // namespace skytrain
