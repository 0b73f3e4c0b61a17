// What a client meets while the daemon starts and stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <thread>

#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "skytrain/v1/node_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/integration/raw_call.h"

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

bool WaitFor(const std::function<bool()>& done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (absl::Now() < deadline) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
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
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
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
  ASSERT_TRUE(WaitFor([&] { return std::filesystem::exists(daemon.SocketPath()); }));
  const auto channel = daemon.Connect();
  EXPECT_TRUE(WaitFor([&] { return PhaseOf(channel) == Phase::PHASE_STARTING; }));
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

  lock.reset();
  starter.join();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_EQ(PhaseOf(channel), Phase::PHASE_SERVING);
  ExpectHealth(channel, "SERVING");
  EXPECT_EQ(ReasonOf(client.Get("jobs/nowhere").status()), "JOB_NOT_FOUND");
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

}  // namespace
}  // namespace skytrain
