// What a client meets while the daemon starts and stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/grpc/channel.h"
#include "server/store/checked_vfs.h"
#include "skytrain/v1/node_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/integration/raw_call.h"
#include "tests/support/eventually.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;
using Phase = v1::ServerInfo;

const char* const kServices[] = {"",
                                 "skytrain.v1.JobService",
                                 "skytrain.v1.ModelService",
                                 "skytrain.v1.BlobService",
                                 "skytrain.v1.DatasetService",
                                 "skytrain.v1.NodeService"};

// Shows each refusal as it is.
std::shared_ptr<grpc::Channel> ConnectWithoutRetries(const Daemon& daemon) {
  grpc::ChannelArguments arguments = ClientChannelArguments();
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return daemon.Connect(arguments);
}

// A connection of its own whose window stays at the 64 KiB that HTTP/2 starts with. gRPC's own way
// widens a window by the bandwidth it measures, on a fast machine to more than a test would send.
std::shared_ptr<grpc::Channel> ConnectWithNarrowWindow(const Daemon& daemon) {
  grpc::ChannelArguments arguments = ClientChannelArguments();
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65'536);
  return daemon.Connect(arguments);
}

Phase::Phase PhaseOf(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  v1::ServerInfo info;
  const auto status =
      v1::NodeService::NewStub(channel)->GetServerInfo(&context, v1::GetServerInfoRequest(), &info);
  return status.ok() ? info.phase() : Phase::PHASE_UNSPECIFIED;
}

void ExpectHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& expected) {
  for (const char* service : kServices) {
    const auto health = HealthOf(channel, service);
    EXPECT_EQ(health.value_or(health.status().ToString()), expected) << service;
  }
}

// Another process's write lock on the daemon's database.
class DatabaseLock {
 public:
  explicit DatabaseLock(const std::string& path) {
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE, CheckedVfs("").c_str()),
              SQLITE_OK);
    // Events of a job that is gone: recovery has to delete them, and so to write.
    EXPECT_EQ(sqlite3_exec(db_,
                           "INSERT INTO event_batches (job_uid, first_seq, count, crc32c, events) "
                           "VALUES ('GONE', 1, 1, 0, ''); BEGIN IMMEDIATE",
                           nullptr, nullptr, nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(db_);
  }
  ~DatabaseLock() { sqlite3_close(db_); }

 private:
  sqlite3* db_ = nullptr;
};

TEST(LifeCycleTest, WhileRecoveryIsHeldUpOnlyServerInfoHealthAndReflectionAnswer) {
  Daemon daemon;
  ASSERT_TRUE(daemon.Start().ok());
  ASSERT_EQ(daemon.Stop(), 0);
  auto lock = std::make_unique<DatabaseLock>(daemon.root() + "/state/skytrain.db");
  absl::Status started;
  std::thread starter([&] { started = daemon.Start(); });
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(daemon.SocketPath()); }));
  const auto channel = ConnectWithoutRetries(daemon);
  EXPECT_TRUE(Eventually([&] { return PhaseOf(channel) == Phase::PHASE_STARTING; }));
  ExpectHealth(channel, "NOT_SERVING");
  EXPECT_EQ(HealthOf(channel, "skytrain.v1.NoSuchService").status().code(),
            absl::StatusCode::kNotFound);

  JobClient client(channel);
  for (const absl::Status& refused :
       {client.Create({}).status(), client.Get("jobs/x").status(), client.Wait("jobs/x").status(),
        client.Cancel("jobs/x").status(), client.Events("jobs/x").status()}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(refused), "STARTING") << refused;
    EXPECT_GT(RetryDelayOf(refused).value_or(absl::ZeroDuration()), absl::ZeroDuration());
  }

  // A call that may be repeated is, until recovery is done.
  absl::Status patient;
  std::thread caller([&] { patient = JobClient(daemon.Connect()).Get("jobs/nowhere").status(); });
  lock.reset();
  starter.join();
  caller.join();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_EQ(ReasonOf(patient), "JOB_NOT_FOUND") << patient;
  EXPECT_EQ(PhaseOf(channel), Phase::PHASE_SERVING);
  ExpectHealth(channel, "SERVING");
  EXPECT_EQ(ReasonOf(client.Get("jobs/nowhere").status()), "JOB_NOT_FOUND");
}

TEST(LifeCycleTest, StopSignalDuringRecoveryActsAtOnceAndLosesNothing) {
  Daemon daemon;
  ASSERT_TRUE(daemon.Start().ok());
  const auto job = JobClient(daemon.Connect()).Create({{"hang", "1"}});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_EQ(daemon.Stop(), 0);
  {
    const DatabaseLock lock(daemon.root() + "/state/skytrain.db");
    for (int round = 0; round < 2; ++round) {
      ASSERT_TRUE(daemon.Launch().ok());
      const auto channel = ConnectWithoutRetries(daemon);
      ASSERT_TRUE(Eventually([&] { return PhaseOf(channel) == Phase::PHASE_STARTING; }));
      const absl::Time asked = absl::Now();
      EXPECT_EQ(daemon.Stop(), 0);
      EXPECT_LT(absl::Now() - asked, absl::Seconds(2));
      EXPECT_FALSE(std::filesystem::exists(daemon.SocketPath()));
      EXPECT_THAT(daemon.Log(), HasSubstr("stopped_before_serving"));
    }
  }
  ASSERT_TRUE(daemon.Start().ok());
  JobClient client(daemon.Connect());
  const auto again = client.Get(job->name());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->attempts_size(), 1);
  const auto cancelled = client.Cancel(job->name());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status() << "\n" << daemon.Log();
  EXPECT_EQ(client.Wait(job->name())->state(), v1::CANCELLED);
}

TEST(LifeCycleTest, RecoveryThatFailsEndsTheDaemonWithTheReason) {
  Daemon daemon;
  // A link to nowhere: the folder of the attempts cannot be made.
  std::filesystem::create_directories(daemon.WorkDir());
  std::filesystem::create_symlink("/nowhere/at/all", daemon.WorkDir() + "/attempts");
  const absl::Status started = daemon.Start();
  EXPECT_FALSE(started.ok());
  EXPECT_THAT(std::string(started.message()), HasSubstr("cannot_serve"));
  EXPECT_THAT(std::string(started.message()), HasSubstr("/attempts"));
  EXPECT_EQ(daemon.Stop(), 1);
  EXPECT_FALSE(std::filesystem::exists(daemon.SocketPath()));
}

// The socket of a service manager.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval limit{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    setenv("WATCHDOG_USEC", "300000", 1);
  }
  ~NotifySocket() {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(fd_);
  }
  // False: not within ten seconds.
  bool WaitFor(const std::string& word) {
    char message[512];
    for (ssize_t size; (size = recv(fd_, message, sizeof(message), 0)) > 0;) {
      if (std::string(message, size).find(word) != std::string::npos) return true;
    }
    return false;
  }

 private:
  int fd_ = -1;
};

TEST(LifeCycleTest, ServiceManagerIsToldOfStartReadinessLifeAndEnd) {
  Daemon daemon;
  NotifySocket manager(daemon.root() + "/notify");
  ASSERT_TRUE(daemon.Start().ok());
  EXPECT_TRUE(manager.WaitFor("STATUS=starting"));
  EXPECT_TRUE(manager.WaitFor("READY=1"));
  EXPECT_TRUE(manager.WaitFor("WATCHDOG=1"));
  EXPECT_TRUE(manager.WaitFor("WATCHDOG=1"));
  EXPECT_EQ(daemon.Stop(), 0);
  EXPECT_TRUE(manager.WaitFor("STOPPING=1"));
}

// A daemon with a client that opened a stream and does not read it.
class StalledReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(daemon_.Start().ok());
    channel_ = ConnectWithoutRetries(daemon_);
    const auto job = JobClient(channel_).Create(
        {{"log_bytes", "8000000"}, {"steps", "100000"}, {"step_ms", "50"}});
    ASSERT_TRUE(job.ok()) << job.status();
    job_ = job->name();
    v1::WatchEventsRequest request;
    request.set_name(job_);
    request.set_follow(true);
    // More than fits into the connection's window and the socket, so that the server's write hangs.
    ASSERT_TRUE(Eventually([&] { return LogBytes() >= 8'000'000; }));
    stub_ = v1::JobService::NewStub(ConnectWithNarrowWindow(daemon_));
    stream_ = stub_->WatchEvents(&context_, request);
    v1::WatchEventsResponse response;
    ASSERT_TRUE(stream_->Read(&response));
    // Once another has got everything, the first window of this one is long full.
    EXPECT_GE(LogBytes(), 8'000'000);
  }
  void TearDown() override {
    context_.TryCancel();
    if (stream_ != nullptr) stream_->Finish();
  }

  int64_t LogBytes() {
    int64_t bytes = 0;
    const auto events = JobClient(channel_).Events(job_, 0, false);
    if (!events.ok()) return 0;
    for (const v1::Event& event : *events) {
      bytes += event.log().data().size();
    }
    return bytes;
  }
  void BeginDrain() {
    ASSERT_EQ(kill(daemon_.pid(), SIGTERM), 0);
    ASSERT_TRUE(Eventually([&] { return PhaseOf(channel_) == Phase::PHASE_DRAINING; }));
  }

  Daemon daemon_;
  std::shared_ptr<grpc::Channel> channel_;
  std::string job_;
  std::unique_ptr<v1::JobService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> stream_;
};

TEST_F(StalledReaderTest, DrainRefusesNewWorkAnswersReadsAndEndsAtItsDeadline) {
  const absl::Time start = absl::Now();
  BeginDrain();
  ExpectHealth(channel_, "NOT_SERVING");
  JobClient client(channel_);
  for (const absl::Status& refused :
       {client.Create({}).status(), client.Events(job_).status(), client.Wait(job_).status()}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(refused), "DRAINING") << refused;
    EXPECT_GT(RetryDelayOf(refused).value_or(absl::ZeroDuration()), absl::ZeroDuration());
  }
  EXPECT_TRUE(client.Get(job_).ok());
  // Also for who connects only now.
  EXPECT_EQ(PhaseOf(daemon_.Connect()), Phase::PHASE_DRAINING);
  EXPECT_EQ(daemon_.WaitForExit(), 0);
  EXPECT_GT(absl::Now() - start, absl::Seconds(4.5)) << "it was not stalled";
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_NE(daemon_.PidOf("skytrain-fake-worker"), 0) << "running attempts go on";
}

TEST_F(StalledReaderTest, SecondSignalCutsTheDrainShort) {
  BeginDrain();
  const absl::Time start = absl::Now();
  EXPECT_EQ(daemon_.Stop(), 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
  EXPECT_THAT(daemon_.Log(), HasSubstr("draining_cut_short"));
}

// A client that holds the connection but is gone: it neither reads nor answers.
TEST(LifeCycleTest, HalfOpenConnectionDoesNotHoldUpTheEnd) {
  Daemon daemon;
  ASSERT_TRUE(daemon.Start().ok());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  daemon.SocketPath().copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const absl::Time start = absl::Now();
  EXPECT_EQ(daemon.Stop(), 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  close(fd);
}

}  // namespace
}  // namespace skytrain
