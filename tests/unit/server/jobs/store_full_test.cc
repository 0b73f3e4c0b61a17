// The disk below SQLite is full, or does not sync, at one operation on the database's files after
// the other, for each of a job's life.
//
// SKYTRAIN_STORE_STEP: every how-manieth operation fails; 1: each. Default: one of seven.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gtest/gtest.h"
#include "tests/support/vfs_shim.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

int Step() {
  const char* text = getenv("SKYTRAIN_STORE_STEP");
  int step = 0;
  return text != nullptr && absl::SimpleAtoi(text, &step) && step > 0 ? step : 7;
}

// Fails operations of one kind from the `first`-th after Arm on, `count` of them.
class Faults : public VfsObserver {
 public:
  Faults(VfsOperation::Kind kind, int error) : kind_(kind), error_(error) {}

  void Arm(int first, int count) {
    seen_ = 0;
    first_ = first;
    end_ = first + count;
  }
  void Mend() { end_ = 0; }
  int seen() const { return seen_; }

  int Before(const VfsOperation& operation) override {
    if (operation.kind != kind_) return SQLITE_OK;
    const int n = seen_++;
    return n >= first_ && n < end_ ? error_ : SQLITE_OK;
  }

 private:
  const VfsOperation::Kind kind_;
  const int error_;
  std::atomic<int> seen_ = 0, first_ = 0, end_ = 0;
};

constexpr int kForGood = 1 << 20;

void ExpectFull(const absl::Status& status) {
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), "STORE_FULL");
}

FakeLauncher::Script ScriptOf(bool cancel) {
  return cancel ? TrainUntilStopped() : TrainOneStep(1);
}

// A job's life on a disk that is full for `count` writes from the `first`-th on. How many writes
// there were.
int LiveOnFullDisk(int first, int count, bool cancel) {
  SCOPED_TRACE(absl::StrCat(count, " writes from ", first, " on, cancelled: ", cancel));
  Faults faults(VfsOperation::Kind::kWrite, SQLITE_FULL);
  const VfsShim shim("full", faults);
  TempDir dir;
  JobWorld world(dir.path(), FileSystem::Posix(), shim.name());
  for (int i = 0; i < 4; ++i) world.launcher().Then(ScriptOf(cancel));
  world.Start();
  faults.Arm(first, count);

  // Refused, it is not there; accepted, it is.
  auto created = world.jobs().Create(JobWorld::kAna, JobWorld::Request("full"));
  if (!created.ok()) {
    ExpectFull(created.status());
    EXPECT_TRUE(absl::IsNotFound(world.jobs().Get(JobWorld::kAna, "full").status()));
    faults.Mend();
    created = world.jobs().Create(JobWorld::kAna, JobWorld::Request("full"));
  }
  EXPECT_TRUE(created.ok()) << created.status();
  if (count == kForGood) {
    // While nothing can be written nothing is lost: there is space again only when the job has had
    // time to meet the full disk.
    const int seen = faults.seen();
    for (int i = 0; i < 50 && faults.seen() < seen + 4; ++i) usleep(2'000);
    faults.Mend();
  }
  if (cancel) {
    world.WaitForState("full", v1::RUNNING);
    const absl::Status cancelled = world.jobs().Cancel(JobWorld::kAna, "full").status();
    EXPECT_TRUE(cancelled.ok()) << cancelled;
  }
  const v1::Job over = world.WaitForEnd("full");
  EXPECT_EQ(over.state(), cancel ? v1::CANCELLED : v1::SUCCEEDED) << over.DebugString();
  for (int i = 0; i + 1 < over.attempts_size(); ++i) {
    EXPECT_EQ(over.attempts(i).end(), v1::DISK_FULL) << over.DebugString();
  }
  const int writes = faults.seen();
  faults.Mend();
  EXPECT_EQ(static_cast<int64_t>(world.Events(over.uid()).size()), over.last_seq());
  world.Restart();
  EXPECT_EQ(world.Get("full").SerializeAsString(), over.SerializeAsString());
  const absl::Status deleted = world.jobs().Delete(JobWorld::kAna, "full");
  EXPECT_TRUE(deleted.ok()) << deleted;
  return writes;
}

TEST(StoreFull, AtAnyWriteTheJobGoesOnAndNothingToldIsLost) {
  for (const bool cancel : {false, true}) {
    const int writes = LiveOnFullDisk(0, 0, cancel);
    EXPECT_GT(writes, 20);
    for (int n = 0; n < writes; n += Step()) {
      LiveOnFullDisk(n, 1, cancel);
      if (!cancel) LiveOnFullDisk(n, kForGood, cancel);
    }
  }
}

// Cancel and delete while no write of telemetry finds room.
TEST(StoreFull, CancelAndDeleteUseTheReserve) {
  Faults faults(VfsOperation::Kind::kWrite, SQLITE_FULL);
  const VfsShim shim("reserve", faults);
  TempDir dir;
  JobWorld world(dir.path(), FileSystem::Posix(), shim.name());
  world.launcher().Then(TrainUntilStopped());
  world.Start();
  world.Create("running");
  world.WaitForState("running", v1::RUNNING);
  world.Create("waits");
  // The reserve is given up, and there is room for what is tried again.
  for (const char* id : {"waits", "running"}) {
    faults.Arm(0, 1);
    const absl::Status cancelled = world.jobs().Cancel(JobWorld::kAna, id).status();
    EXPECT_TRUE(cancelled.ok()) << cancelled;
    EXPECT_EQ(world.WaitForEnd(id).state(), v1::CANCELLED);
  }
  faults.Arm(0, 1);
  const absl::Status deleted = world.jobs().Delete(JobWorld::kAna, "waits");
  EXPECT_TRUE(deleted.ok()) << deleted;
  EXPECT_TRUE(absl::IsNotFound(world.jobs().Get(JobWorld::kAna, "waits").status()));
  EXPECT_GT(faults.seen(), 0);
}

// What the daemon told its clients before it died, a line each, in FOLDER/told.
class Told {
 public:
  explicit Told(const std::string& folder) : path_(folder + "/told") {}
  void Say(absl::string_view what) { std::ofstream(path_, std::ios::app) << what << std::endl; }
  bool Has(const std::string& what) const {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      if (line == what) return true;
    }
    return false;
  }

 private:
  const std::string path_;
};

constexpr int kFatal = 42;
constexpr int kEnded = 43;

// In a process of its own: a job's life in `folder`, whose `n`-th sync fails.
[[noreturn]] void DieOfSync(const std::string& folder, int n, bool cancel) {
  Faults faults(VfsOperation::Kind::kSync, SQLITE_IOERR_FSYNC);
  const VfsShim shim("sync", faults);
  JobWorld world(folder, FileSystem::Posix(), shim.name());
  world.SetOnFatal([](const absl::Status&) { _exit(kFatal); });
  world.launcher().Then(ScriptOf(cancel));
  world.Start();
  faults.Arm(n, 1);
  Told told(folder);
  if (world.jobs().Create(JobWorld::kAna, JobWorld::Request("synced")).ok()) told.Say("created");
  if (cancel) {
    world.WaitForState("synced", v1::RUNNING);
    if (world.jobs().Cancel(JobWorld::kAna, "synced").ok()) told.Say("cancelled");
  }
  told.Say(v1::JobState_Name(world.WaitForEnd("synced").state()));
  _exit(kEnded);
}

// Whether the failing sync was reached.
bool LiveWithoutSync(int n, bool cancel) {
  SCOPED_TRACE(absl::StrCat("sync ", n, ", cancelled: ", cancel));
  TempDir dir;
  const pid_t child = fork();
  if (child == 0) DieOfSync(dir.path(), n, cancel);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  const int code = WEXITSTATUS(status);
  EXPECT_TRUE(code == kFatal || code == kEnded) << code;
  const Told told(dir.path());

  JobWorld world(dir.path(), FileSystem::Posix(), "");
  for (int i = 0; i < 3; ++i) world.launcher().Then(ScriptOf(cancel));
  world.Start();
  const auto job = world.jobs().Get(JobWorld::kAna, "synced");
  if (!job.ok()) {
    // Accepted, but not told so: it may be there or not.
    EXPECT_TRUE(absl::IsNotFound(job.status())) << job.status();
    EXPECT_FALSE(told.Has("created"));
    return code == kFatal;
  }
  if (cancel && !told.Has("cancelled")) {
    (void)world.jobs().Cancel(JobWorld::kAna, "synced");  // Refused where it is over already.
  }
  const v1::Job over = world.WaitForEnd("synced");
  EXPECT_EQ(over.state(), cancel ? v1::CANCELLED : v1::SUCCEEDED) << over.DebugString();
  EXPECT_EQ(static_cast<int64_t>(world.Events(over.uid()).size()), over.last_seq());
  return code == kFatal;
}

TEST(StoreSync, AtAnySyncThatFailsTheDaemonEndsAndTheNextOneIsTrue) {
  for (const bool cancel : {false, true}) {
    int deaths = 0;
    const int step = Step() == 1 ? 1 : 2;  // There are few.
    for (int n = 0; LiveWithoutSync(n, cancel) && !HasFailure(); n += step) ++deaths;
    EXPECT_GT(deaths, 2);
  }
}

}  // namespace
}  // namespace skytrain
