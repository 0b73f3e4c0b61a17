// The windows between two steps of an attempt, in which a daemon, a shepherd, a node or a disk can
// be lost: one test for each, named after it. The rules that close them are those of the README of
// common/attempt.
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "common/errors.h"
#include "common/process/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/event_rows.h"
#include "server/store/state_dir.h"
#include "skytrain/internal/v1/record.pb.h"
#include "tests/support/open_counter.h"
#include "tests/support/stored_state.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

// Puts the job into STARTING with its attempt, as a daemon does that dies right after that commit.
void LeaveInStarting(JobWorld& world, const std::string& id) {
  world.options().claim_timeout = absl::Seconds(60);
  world.Start();
  world.Create(id);  // The launcher has no script: nothing ever claims.
  world.WaitUntil(id, [&](const v1::Job&) { return world.launcher().launches() == 1; });
  world.Stop();
}

TEST(Window, SpawnedThenDaemonDiedBeforeItKnew) {
  JobWorld world;
  LeaveInStarting(world, "late-claim");
  world.Start();
  const v1::Job left = world.Get("late-claim");
  world.Stop();
  FakeRun run(AttemptDir(FileSystem::Posix(), world.AttemptFolder(left, 1)), [] { return false; });
  ASSERT_TRUE(run.Claim());
  world.Start();
  run.StartRank();
  run.Exit(v1::COMPLETED);
  const v1::Job job = world.WaitForEnd("late-claim");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  EXPECT_EQ(job.attempts_size(), 1);
}

TEST(Window, DaemonDiedBeforeItSpawned) {
  JobWorld world;
  LeaveInStarting(world, "unclaimed");
  world.options().claim_timeout = absl::Milliseconds(50);
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  const v1::Job job = world.WaitForEnd("unclaimed");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  EXPECT_EQ(job.attempts_size(), 2);
  // A shepherd that comes late finds the folder claimed and starts no ranks.
  const AttemptDir dir(FileSystem::Posix(), world.AttemptFolder(job, 1));
  EXPECT_TRUE((*dir.ReadClaim())->has_abandoned());
}

TEST(Window, DaemonDiedBeforeItMadeTheFolder) {
  JobWorld world;
  LeaveInStarting(world, "no-folder");
  world.Start();
  const v1::Job left = world.Get("no-folder");
  world.Stop();
  ASSERT_TRUE(FileSystem::Posix().RemoveTree(world.AttemptFolder(left, 1)).ok());
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  const v1::Job job = world.WaitForEnd("no-folder");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  ASSERT_EQ(job.attempts_size(), 2);
  EXPECT_EQ(job.attempts(0).end(), v1::SHEPHERD_LOST);
  EXPECT_FALSE(job.attempts(0).has_start_time()) << "it uses up no attempt";
}

TEST(Window, ShepherdDeadRanksAlive) {
  JobWorld world;
  Steps steps;
  world.launcher().Then([&](FakeRun& run) {
    run.ClaimAsDead();
    run.TakeLock();  // As the ranks hold it.
    run.StartRank();
    steps.Await(run, 1);
    run.Metric("train/loss", 1, 0.5);
    run.DropLock();
  });
  world.launcher().Then(TrainOneStep(1));
  world.options().poll_interval = absl::Milliseconds(5);
  world.Start();
  world.Create("orphans");
  world.WaitForState("orphans", v1::RUNNING);
  world.Restart();
  EXPECT_EQ(world.Get("orphans").state(), v1::RUNNING);
  steps.Allow(1);
  const v1::Job job = world.WaitForEnd("orphans");
  ASSERT_EQ(job.attempts_size(), 2);
  EXPECT_EQ(CountMetrics(world.Events(job.uid())), 2);
}

TEST(Window, PidReuse) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.ClaimAsDead();  // The pid is alive, but it is another process: this one.
    run.StartRank();
  });
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("reused");
  EXPECT_EQ(world.WaitForEnd("reused").attempts(0).end(), v1::SHEPHERD_LOST);

  SpawnOptions bystander;
  bystander.argv = {"/bin/sleep", "600"};
  const auto pid = Spawn(bystander);
  ASSERT_TRUE(pid.ok()) << pid.status();
  internal::v1::ProcessId before = *Identify(*pid);
  before.set_start_time(before.start_time() - 1);
  EXPECT_TRUE(absl::IsNotFound(SignalProcess(before, SIGKILL)));
  EXPECT_EQ(waitpid(*pid, nullptr, WNOHANG), 0) << "the process that has the pid now was hit";
  kill(*pid, SIGKILL);
  waitpid(*pid, nullptr, 0);
}

TEST(Window, Reboot) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.ClaimBeforeReboot();
    run.StartRank();
  });
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("rebooted");
  const v1::Job job = world.WaitForEnd("rebooted");
  ASSERT_EQ(job.attempts_size(), 2);
  EXPECT_EQ(job.attempts(0).end(), v1::NODE_LOST);
}

TEST(Window, NoExitRecordSameBoot) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.ClaimAsDead();
    run.StartRank();
    run.Metric("train/loss", 1, 0.5);
  });
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("lost");
  const v1::Job job = world.WaitForEnd("lost");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  ASSERT_EQ(job.attempts_size(), 2);
  EXPECT_EQ(job.attempts(0).end(), v1::SHEPHERD_LOST);
  EXPECT_EQ(CountMetrics(world.Events(job.uid())), 2);
}

TEST(Window, CancelAcceptedDaemonDiedBeforeTelling) {
  JobWorld world;
  Steps steps;
  world.launcher().Then([&](FakeRun& run) {
    run.Claim();
    run.StartRank();
    steps.Await(run, 1);
    if (!run.WaitForStop()) return;
    run.Exit(v1::STOPPED);
  });
  world.Start();
  world.Create("cancelled");
  world.WaitForState("cancelled", v1::RUNNING);
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "cancelled").ok());
  world.Stop();
  // As if the daemon had died between the commit and control.binpb.
  const std::string uid = [&] {
    world.Start();
    const std::string found = world.Get("cancelled").uid();
    world.Stop();
    return found;
  }();
  const std::string folder = world.options().attempts_dir + "/" + uid + "-1";
  FileSystem::Posix().Remove(folder + "/control.binpb").IgnoreError();
  world.Start();
  EXPECT_EQ(world.Get("cancelled").state(), v1::STOPPING);
  steps.Allow(1);
  EXPECT_EQ(world.WaitForEnd("cancelled").state(), v1::CANCELLED);
}

TEST(Window, ZombieAttemptWritesAfterItsEnd) {
  JobWorld world;
  Steps steps;
  std::atomic<bool> ended{false};
  world.launcher().Then([&](FakeRun& run) {
    run.Claim();
    run.StartRank();
    steps.Await(run, 1);
    run.Metric("train/loss", 1, 0.5);
    run.Exit(v1::COMPLETED);
    run.WriteAfterEnd("train/loss", 2);
    ended = true;
  });
  world.Start();
  world.Create("alone");
  world.WaitForState("alone", v1::RUNNING);
  world.Stop();
  steps.Allow(1);
  while (!ended) std::this_thread::yield();
  world.Start();
  const v1::Job job = world.WaitForEnd("alone");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  // What came after the recorded end is dropped, and counted.
  const auto events = world.Events(job.uid());
  EXPECT_EQ(CountMetrics(events), 1);
  EXPECT_THAT(GapsOf(events), ::testing::ElementsAre(::testing::ContainsRegex(
                                  "^[1-9][0-9]* bytes .* after the attempt's end")));
  EXPECT_EQ(job.progress().step(), 1);
}

// Lets `script` run until its spool is stored, stops the daemon, and cuts the spool to half.
v1::Job LosePowerAfter(JobWorld& world, const FakeLauncher::Script& script) {
  std::atomic<bool> written{false};
  world.launcher().Then([&](FakeRun& run) {
    script(run);
    written = true;
  });
  world.Start();
  world.Create("power");
  const v1::Job job =
      world.WaitUntil("power", [](const v1::Job& job) { return job.progress().step() == 9; });
  while (!written) std::this_thread::yield();
  world.Stop();
  const std::string spool = world.AttemptFolder(job, 1) + "/rank-0.spool";
  std::filesystem::resize_file(spool, std::filesystem::file_size(spool) / 2);
  return job;
}

TEST(Window, PowerLossOffsetBeyondSpool) {
  JobWorld world;
  LosePowerAfter(world, [](FakeRun& run) {
    run.ClaimBeforeReboot();
    run.TakeLock();  // Or its end would be seen before the power goes.
    run.StartRank();
    for (int step = 1; step <= 9; ++step) run.Metric("train/loss", step, 1.0 / step);
  });
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  const v1::Job job = world.WaitForEnd("power");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  EXPECT_EQ(job.attempts(0).end(), v1::NODE_LOST) << "legal after a reboot, no damage";
  EXPECT_EQ(CountMetrics(world.Events(job.uid())), 9 + 1) << "what was told stays told";
}

TEST(Window, PowerLossSpoolShorterThanItsRecordedEnd) {
  JobWorld world;
  world.options().settle_timeout = absl::Hours(1);  // Nothing more will come: it must not wait.
  std::atomic<bool> exit{false};
  const v1::Job left = LosePowerAfter(world, [](FakeRun& run) {
    run.ClaimBeforeReboot();
    run.TakeLock();
    run.StartRank();
    for (int step = 1; step <= 9; ++step) run.Metric("train/loss", step, 1.0 / step);
  });
  internal::v1::ExitRecord record;
  record.set_end(v1::COMPLETED);
  auto* spool = record.add_spools();
  spool->set_file("rank-0.spool");
  spool->set_bytes(1 << 20);
  ASSERT_TRUE(AttemptDir(FileSystem::Posix(), world.AttemptFolder(left, 1)).WriteExit(record).ok());
  world.Start();
  const v1::Job job = world.WaitForEnd("power");
  EXPECT_EQ(job.state(), v1::SUCCEEDED);
  const auto events = world.Events(job.uid());
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const auto& e) { return e.has_gap(); }));
}

TEST(Window, TwoDaemonsOnOneStateFolder) {
  TempDir dir;
  const auto first = StateDir::Open(dir.File("state"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ReasonOf(StateDir::Open(dir.File("state")).status()), "STATE_DIR_IN_USE");
}

TEST(Window, ProcessInDState) {
  JobWorld world;
  Steps steps;
  world.launcher().Then([&](FakeRun& run) {
    run.TakeLock();  // By a rank that the kernel does not let go.
    run.ClaimAsDead();
    run.StartRank();
    steps.Await(run, 1);
    run.DropLock();
  });
  world.Start();
  world.Create("undead");
  const v1::Job running = world.WaitForState("undead", v1::RUNNING);
  const OpenCounter lock(world.AttemptFolder(running, 1) + "/lock");
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "undead").ok());
  lock.AwaitOpens(2);  // When the second look begins, the first has ended nothing.
  EXPECT_EQ(world.Get("undead").state(), v1::STOPPING) << "never a false end";
  int held = 0;
  for (const DeviceUse& use : world.jobs().Devices()) held += use.job == "jobs/undead";
  EXPECT_GE(held, 1) << "its device is not handed out";
  steps.Allow(1);
  EXPECT_EQ(world.WaitForEnd("undead").state(), v1::CANCELLED);
}

// Puts the folder of a finished attempt in the place of the job's first one.
void ReplaceAttempt(JobWorld& world, const v1::Job& job, const std::string& from) {
  const std::string to = world.AttemptFolder(job, 1);
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

TEST(Window, UpgradeWhileJobsRun) {
  JobWorld world;
  LeaveInStarting(world, "upgraded");
  world.Start();
  const v1::Job left = world.Get("upgraded");
  world.Stop();
  // Written by shepherd and worker of an older release, which ended while this daemon was
  // installed.
  const StoredState stored("version-1.tar.gz");
  ReplaceAttempt(world, left, stored.path() + "/work/attempts/good-1");
  world.Start();
  const v1::Job job = world.WaitForEnd("upgraded");
  EXPECT_EQ(job.state(), v1::SUCCEEDED) << job.DebugString();
  EXPECT_EQ(job.attempts_size(), 1);
  EXPECT_EQ(job.metrics().at("test/accuracy"), 0.9);
}

// A field that no proto of this version has.
std::string WithFutureField(const google::protobuf::MessageLite& message) {
  return message.SerializeAsString() +
         "\xc2\x3e\x06"
         "future";
}

TEST(Window, UpgradeIsTakenBackWhileJobsRun) {
  JobWorld world;
  LeaveInStarting(world, "downgraded");
  world.Start();
  const v1::Job left = world.Get("downgraded");
  world.Stop();
  // The files of a newer minor version: each with a field that is unknown here.
  AttemptDir dir(FileSystem::Posix(), world.AttemptFolder(left, 1));
  const auto spec = dir.ReadSpec();
  ASSERT_TRUE(spec.ok()) << spec.status();
  WriteWhole(dir.SpecPath(), WithFutureField(*spec));
  internal::v1::Claim claim;
  *claim.mutable_shepherd() = *Self();
  WriteWhole(dir.ClaimPath(), WithFutureField(claim));
  {
    const auto spool = SpoolWriter::Create(FileSystem::Posix(), dir.RankSpoolPath(0));
    ASSERT_TRUE(spool.ok());
    internal::v1::Record record, unknown_kind;
    record.mutable_rank_started()->set_resumed_from_step(0);
    ASSERT_TRUE((*spool)->Append(FrameType::kRecord, WithFutureField(record)).ok());
    ASSERT_TRUE((*spool)->Append(FrameType::kRecord, WithFutureField(unknown_kind)).ok());
    v1::Event event;
    event.mutable_progress()->set_epoch(3);
    ASSERT_TRUE((*spool)->Append(FrameType::kEvent, WithFutureField(event)).ok());
    record.mutable_rank_result()->set_end(v1::COMPLETED);
    ASSERT_TRUE((*spool)->Append(FrameType::kRecord, WithFutureField(record)).ok());
  }
  internal::v1::ExitRecord exit;
  ASSERT_TRUE(exit.ParseFromString(WithFutureField(internal::v1::ExitRecord())));
  exit.set_end(v1::COMPLETED);
  const auto spools = dir.Spools();
  exit.add_spools()->set_file("rank-0.spool");
  exit.mutable_spools(0)->set_bytes(static_cast<int64_t>(spools->at(0).second));
  ASSERT_TRUE(dir.WriteExit(exit).ok());
  world.Start();
  const v1::Job job = world.WaitForEnd("downgraded");
  EXPECT_EQ(job.state(), v1::SUCCEEDED) << job.DebugString();
  EXPECT_EQ(job.attempts_size(), 1);
  EXPECT_EQ(job.progress().epoch(), 3);
}

}  // namespace
}  // namespace skytrain
