// What the daemon tells the machines that watch it: /metrics, and its log as JSON.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "skytrain/v1/job_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/integration/raw_call.h"
#include "tests/support/eventually.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Whole, with the headers; empty: nobody listens.
std::string HttpGet(int port, absl::string_view path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string response;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request =
        absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    (void)!write(fd, request.data(), request.size());
    char bytes[4096];
    for (ssize_t got = 0; (got = read(fd, bytes, sizeof(bytes))) > 0;) response.append(bytes, got);
  }
  close(fd);
  return response;
}

// The port that a daemon with `--metrics-listen 127.0.0.1:0` got; 0: it does not say.
int MetricsPort(const Daemon& daemon) {
  const std::string kBefore = "metrics address=127.0.0.1:";
  const std::string log = daemon.Log();
  const size_t at = log.find(kBefore);
  int port = 0;
  if (at != std::string::npos) {
    const std::string rest = log.substr(at + kBefore.size());
    (void)absl::SimpleAtoi(rest.substr(0, rest.find('\n')), &port);
  }
  return port;
}

// -1: the series is not there.
double Value(int port, const std::string& series) {
  const std::string response = HttpGet(port, "/metrics");
  for (absl::string_view line : absl::StrSplit(response, '\n')) {
    double value = -1;
    if (absl::ConsumePrefix(&line, series + " ") &&
        absl::SimpleAtod(absl::StripAsciiWhitespace(line), &value)) {
      return value;
    }
  }
  return -1;
}

TEST(MetricsTest, TheValuesFollowWhatTheDaemonDoes) {
  Daemon daemon({"--metrics-listen", "127.0.0.1:0", "--cpus", "1"});
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  const int port = MetricsPort(daemon);
  ASSERT_GT(port, 0) << daemon.Log();
  const auto reaches = [&](const std::string& series, double least) {
    EXPECT_TRUE(Eventually([&] { return Value(port, series) >= least; })) << series;
  };
  const auto becomes = [&](const std::string& series, double value) {
    EXPECT_TRUE(Eventually([&] { return Value(port, series) == value; })) << series;
  };

  const std::string scrape = HttpGet(port, "/metrics");
  EXPECT_THAT(scrape, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(scrape, HasSubstr("skytrain_build_info{version=\""));
  EXPECT_EQ(Value(port, "skytrain_jobs{state=\"running\"}"), 0);
  EXPECT_EQ(Value(port, "skytrain_events_stored_total"), 0);
  EXPECT_EQ(Value(port, "skytrain_state_disk_full"), 0);
  EXPECT_GT(Value(port, "skytrain_state_disk_free_bytes"), 0);
  EXPECT_GT(Value(port, "skytrain_state_disk_size_bytes"),
            Value(port, "skytrain_state_disk_free_bytes"));
  EXPECT_GT(Value(port, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(Value(port, "process_cpu_seconds_total"), 0);

  // One job holds the only CPU, another one waits for it.
  JobClient client(daemon.Connect());
  const auto running = client.Create({{"hang", "1"}});
  ASSERT_TRUE(running.ok()) << running.status();
  const auto waiting = client.Create({{"hang", "1"}});
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  becomes("skytrain_jobs{state=\"running\"}", 1);
  becomes("skytrain_jobs{state=\"queued\"}", 1);
  reaches("skytrain_events_stored_total", 1);
  EXPECT_GT(Value(port, "skytrain_events_stored_bytes_total"), 0);
  reaches("skytrain_database_commit_seconds_count", 2);
  becomes("skytrain_rpc_duration_seconds_count{code=\"OK\",method=\"JobService/CreateJob\"}", 2);

  const std::string streams = "skytrain_rpc_in_flight{method=\"JobService/WatchEvents\"}";
  grpc::ClientContext context;
  v1::WatchEventsRequest request;
  request.set_name(running->name());
  request.set_follow(true);
  const auto stream = client.stub().WatchEvents(&context, request);
  becomes(streams, 1);
  context.TryCancel();
  (void)stream->Finish();
  becomes(streams, 0);
  becomes(
      "skytrain_rpc_duration_seconds_count{code=\"CANCELLED\",method=\"JobService/WatchEvents\"}",
      1);

  EXPECT_FALSE(client.Get("jobs/nowhere").ok());
  becomes("skytrain_rpc_duration_seconds_count{code=\"NOT_FOUND\",method=\"JobService/GetJob\"}",
          1);
  // A name that a client made up is no series.
  EXPECT_FALSE(RawUnaryCall(daemon.Connect(), "/skytrain.v1.JobService/Teleport", "").ok());
  EXPECT_THAT(HttpGet(port, "/metrics"), Not(HasSubstr("Teleport")));

  ASSERT_TRUE(client.Cancel(waiting->name()).ok());
  ASSERT_TRUE(client.Cancel(running->name()).ok());
  becomes("skytrain_jobs{state=\"queued\"}", 0);
  becomes("skytrain_jobs{state=\"running\"}", 0);
  EXPECT_THAT(HttpGet(port, "/elsewhere"), StartsWith("HTTP/1.1 404"));
  EXPECT_EQ(daemon.Stop(), 0);
}

TEST(MetricsTest, CountsStepsAndSpoolsOfTraining) {
  Daemon daemon({"--metrics-listen", "127.0.0.1:0", "--cpus", "1"});
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  const int port = MetricsPort(daemon);
  const std::string backlog = "skytrain_spool_backlog_bytes";
  EXPECT_EQ(Value(port, "skytrain_training_steps_total"), 0);
  EXPECT_EQ(Value(port, "skytrain_spool_read_bytes_total"), 0);
  EXPECT_EQ(Value(port, backlog), 0);

  JobClient client(daemon.Connect());
  for (int job = 1; job <= 2; ++job) {
    const auto trained = client.Create({{"epochs", "3"}, {"steps", "7"}});
    ASSERT_TRUE(trained.ok()) << trained.status();
    ASSERT_TRUE(client.Wait(trained->name()).ok());
    EXPECT_EQ(Value(port, "skytrain_training_steps_total"), job * 21);
  }
  EXPECT_GT(Value(port, "skytrain_spool_read_bytes_total"), 1000);
  EXPECT_EQ(Value(port, backlog), 0);

  // A frame whose end does not come cannot be stored.
  const auto running = client.Create({{"hang", "1"}});
  ASSERT_TRUE(running.ok()) << running.status();
  const std::string spool =
      absl::StrCat(daemon.WorkDir(), "/attempts/", running->uid(), "-1/rank-0.spool");
  ASSERT_TRUE(Eventually([&] {
    const auto job = client.Get(running->name());
    return job.ok() && job->state() == v1::RUNNING && Value(port, backlog) == 0;
  }));
  std::ofstream(spool, std::ios::app | std::ios::binary) << "abc";
  EXPECT_TRUE(Eventually([&] { return Value(port, backlog) == 3; })) << Value(port, backlog);
  ASSERT_TRUE(client.Cancel(running->name()).ok());
  EXPECT_TRUE(Eventually([&] { return Value(port, backlog) == 0; })) << Value(port, backlog);
  EXPECT_EQ(daemon.Stop(), 0);
}

TEST(MetricsTest, TellsHowFarASubscriberIsBehind) {
  Daemon daemon({"--metrics-listen", "127.0.0.1:0"});
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  const int port = MetricsPort(daemon);
  const std::string median = "skytrain_stream_lag_events{quantile=\"0.5\"}";
  const std::string slowest = "skytrain_stream_lag_events{quantile=\"1\"}";
  EXPECT_EQ(Value(port, slowest), 0);

  JobClient client(daemon.Connect());
  const auto job = client.Create({{"points", "1000000"}});
  ASSERT_TRUE(job.ok()) << job.status();
  // One never reads; the two others follow to the end.
  JobClient stalled(daemon.Connect());
  grpc::ClientContext context;
  v1::WatchEventsRequest request;
  request.set_name(job->name());
  request.set_follow(true);
  const auto stream = stalled.stub().WatchEvents(&context, request);
  std::vector<std::thread> followers;
  for (int i = 0; i < 2; ++i) {
    followers.emplace_back([&] {
      JobClient follower(daemon.Connect());
      EXPECT_TRUE(follower.Watch(request, [](const auto&) { return true; }).ok());
    });
  }
  EXPECT_TRUE(Eventually([&] { return Value(port, slowest) > 0 && Value(port, median) == 0; }));
  for (std::thread& follower : followers) follower.join();
  EXPECT_GT(Value(port, slowest), 0);

  v1::WatchEventsResponse response;
  int64_t last_seq = 0;
  while (stream->Read(&response)) {
    if (!response.events().empty()) last_seq = response.events().rbegin()->seq();
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(last_seq, client.Get(job->name())->last_seq());
  EXPECT_TRUE(Eventually([&] { return Value(port, slowest) == 0; })) << Value(port, slowest);
  EXPECT_EQ(daemon.Stop(), 0);
}

TEST(MetricsTest, PortThatIsTakenEndsTheDaemonWithTheReason) {
  Daemon first({"--metrics-listen", "127.0.0.1:0"});
  ASSERT_TRUE(first.Start().ok());
  Daemon second({"--metrics-listen", absl::StrCat("127.0.0.1:", MetricsPort(first))});
  const absl::Status started = second.Start();
  EXPECT_THAT(std::string(started.message()), HasSubstr("metrics_listen: cannot listen on"));
  EXPECT_EQ(second.Stop(), 1);
}

// gRPC writes to stderr too, when it is asked to.
TEST(LogTest, EveryLineOfTheJsonLogIsOneObject) {
  setenv("GRPC_VERBOSITY", "debug", 1);
  Daemon daemon({"--log-json", "true"});
  const absl::Status started = daemon.Start();
  unsetenv("GRPC_VERBOSITY");
  ASSERT_TRUE(started.ok()) << started;
  JobClient client(daemon.Connect());
  const auto job = client.Create({});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_TRUE(client.Wait(job->name()).ok());
  EXPECT_FALSE(client.Get("jobs/\"\\\n\xc3\xa9").ok());
  EXPECT_EQ(daemon.Stop(), 0);

  const std::string log = daemon.Log();
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(log.back(), '\n');
  std::vector<std::string> events;
  for (absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    const auto object =
        nlohmann::json::parse(std::string(line), nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(object.is_object()) << line;
    for (const char* key : {"time", "level", "event"}) {
      EXPECT_TRUE(object.contains(key) && object[key].is_string()) << line;
    }
    events.push_back(object.value("event", ""));
  }
  for (const char* event : {"serving", "draining", "stopped", "grpc"}) {
    EXPECT_THAT(events, ::testing::Contains(event));
  }
}

}  // namespace
}  // namespace skytrain
