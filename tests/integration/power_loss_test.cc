// Lives of jobs, uploads and tokens on a disk that is recorded; then the power is lost at each sync
// of each life. Everything that a client was told before has to be there after the next start.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "tests/integration/power_loss_fixture.h"

namespace skytrain {
namespace {

constexpr char kOwner[] = "ana";

void EmitCheckpoint(FakeRun& run, int64_t step) {
  run.Checkpoint(step);
  v1::Event event;
  event.mutable_checkpoint()->set_step(step);
  run.Emit(std::move(event));
}

// As a shepherd and a worker begin.
bool Begin(FakeRun& run) {
  if (!run.Claim()) return false;
  AttemptDir dir = run.dir();
  EXPECT_TRUE(dir.PreallocateExit().ok());
  run.StartRank();
  return true;
}

void Complete(FakeRun& run) {
  run.Model();
  run.Sync();
  run.Result(v1::COMPLETED);
  run.Exit(v1::COMPLETED);
}

// Two checkpoints, some metrics, a model; waits before the second half until `steps` allows 1.
FakeLauncher::Script Train(Steps& steps) {
  return [&steps](FakeRun& run) {
    if (!Begin(run)) return;
    run.Metric("train/loss", 1, 0.7);
    EmitCheckpoint(run, 1);
    steps.Await(run, 1);
    run.Metric("train/loss", 2, 0.5);
    run.Sync();
    EmitCheckpoint(run, 2);
    Complete(run);
  };
}

FakeLauncher::Script TrainUntilAsked() {
  return [](FakeRun& run) {
    if (!Begin(run)) return;
    run.Metric("train/loss", 1, 0.7);
    EmitCheckpoint(run, 1);
    if (!run.WaitForStop()) return;
    EmitCheckpoint(run, 2);
    run.Result(v1::STOPPED);
    run.Exit(v1::STOPPED);
  };
}

// The job is, in the end, as `state` says.
auto IsInTheEnd(const std::string& id, v1::JobState state) {
  return [id, state](KeepingDaemon& daemon) {
    const v1::Job job = daemon.world().Get(id);
    EXPECT_EQ(job.state(), state) << job.ShortDebugString();
  };
}

bool HasStep(const v1::Job& job) { return job.state() == v1::RUNNING && job.last_seq() >= 5; }

TEST_F(PowerLossTest, TrainingFromSubmissionToItsModel) {
  world().launcher().Then(Train(steps()));
  Submit("galaxies");
  world().WaitUntil("galaxies", HasStep);
  steps().Allow(1);
  EXPECT_EQ(world().WaitForEnd("galaxies").state(), v1::SUCCEEDED);
  Told("SUCCEEDED", nullptr, IsInTheEnd("galaxies", v1::SUCCEEDED));
  LosePowerEverywhere();
}

TEST_F(PowerLossTest, DaemonThatIsReplacedWhileTheJobRuns) {
  world().launcher().Then(Train(steps()));
  Submit("first");
  world().WaitUntil("first", HasStep);
  RestartDaemon();
  Submit("second");  // Waits: the first one has the cores.
  world().launcher().Then(Train(steps()));
  steps().Allow(1);
  EXPECT_EQ(world().WaitForEnd("first").state(), v1::SUCCEEDED);
  EXPECT_EQ(world().WaitForEnd("second").state(), v1::SUCCEEDED);
  RestartDaemon();
  LosePowerEverywhere();
}

TEST_F(PowerLossTest, Cancel) {
  world().launcher().Then(TrainUntilAsked());
  Submit("running");
  world().WaitUntil("running", HasStep);
  Submit("waiting");
  ASSERT_TRUE(world().jobs().Cancel(JobWorld::kAna, "waiting").ok());
  Told("cancelled", nullptr, IsInTheEnd("waiting", v1::CANCELLED));
  ASSERT_TRUE(world().jobs().Cancel(JobWorld::kAna, "running").ok());
  Told("will be cancelled", nullptr, IsInTheEnd("running", v1::CANCELLED));
  world().WaitForEnd("running");
  LosePowerEverywhere();
}

TEST_F(PowerLossTest, SuspendAndResume) {
  world().launcher().Then(TrainUntilAsked());
  Submit("tides");
  world().WaitUntil("tides", HasStep);
  ASSERT_TRUE(world().jobs().Suspend(JobWorld::kAna, "tides").ok());
  const Promise suspended = Told("suspended", nullptr, IsInTheEnd("tides", v1::SUSPENDED));
  world().WaitForState("tides", v1::SUSPENDED);
  world().launcher().Then([](FakeRun& run) {
    if (Begin(run)) Complete(run);
  });
  TakeBack(suspended);
  ASSERT_TRUE(world().jobs().Resume(JobWorld::kAna, "tides").ok());
  Told("resumed", nullptr, IsInTheEnd("tides", v1::SUCCEEDED));
  world().WaitForEnd("tides");
  LosePowerEverywhere();
}

class UploadLossTest : public PowerLossTest {
 protected:
  // One stream: bytes from `from` to `until`; its end syncs what arrived.
  void Send(size_t from, size_t until) {
    const auto upload = daemon().uploads().Begin(sha256_, bytes_.size(), kOwner);
    ASSERT_TRUE(upload.ok()) << upload.status();
    for (size_t at = from; at < until; at += kChunk) {
      const std::string chunk = bytes_.substr(at, std::min(kChunk, until - at));
      const absl::Status added = (*upload)->Add(at, chunk, Crc32c(chunk));
      ASSERT_TRUE(added.ok()) << added;
    }
  }
  // The client asks how far it is, and is told.
  void Ask() {
    const auto blob = daemon().uploads().Stat(sha256_, kOwner);
    ASSERT_TRUE(blob.ok()) << blob.status();
    const int64_t committed = blob->committed_bytes();
    EXPECT_GT(committed, 0);
    Told(
        absl::StrCat(committed, " bytes of the upload"),
        [this, committed](KeepingDaemon& daemon) {
          const auto blob = daemon.uploads().Stat(sha256_, kOwner);
          ASSERT_TRUE(blob.ok()) << blob.status();
          EXPECT_GE(blob->committed_bytes(), committed);
        },
        [this](KeepingDaemon& daemon) { GoOn(daemon); });
  }
  // Sends the rest: the digest of the whole has to fit what is there.
  void GoOn(KeepingDaemon& daemon) {
    const auto blob = daemon.uploads().Stat(sha256_, kOwner);
    ASSERT_TRUE(blob.ok()) << blob.status();
    const auto upload = daemon.uploads().Begin(sha256_, bytes_.size(), kOwner);
    ASSERT_TRUE(upload.ok()) << upload.status();
    if (*upload == nullptr) return;  // Whole.
    const std::string rest = bytes_.substr(blob->committed_bytes());
    absl::Status sent = (*upload)->PublishIfComplete();
    if (!(*upload)->published()) {
      sent = (*upload)->Add(blob->committed_bytes(), rest, Crc32c(rest));
    }
    EXPECT_TRUE(sent.ok()) << sent;
    EXPECT_TRUE((*upload)->published());
  }

  static constexpr size_t kChunk = 1000;
  const std::string bytes_ = [] {
    std::string bytes;
    for (int i = 0; bytes.size() < 5000; ++i) absl::StrAppend(&bytes, i, " ");
    return bytes;
  }();
  const std::string sha256_ = Sha256Hex(bytes_);
};

TEST_F(UploadLossTest, UploadThatBreaksOffAndAJobThatUsesIt) {
  Send(0, 2000);
  Ask();
  Send(2000, 3000);
  RestartDaemon();
  Ask();
  Send(3000, bytes_.size());
  Told("the whole upload", [this](KeepingDaemon& daemon) {
    const auto path = daemon.uploads().PathForJob(sha256_, kOwner);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_EQ(ReadWhole(*path), bytes_);
  });
  steps().Allow(1);
  world().launcher().Then(Train(steps()));
  Submit("uploaded", absl::StrCat("blobs/", sha256_));
  EXPECT_EQ(world().WaitForEnd("uploaded").state(), v1::SUCCEEDED);
  LosePowerEverywhere();
}

TEST_F(PowerLossTest, RetentionAndDeletion) {
  steps().Allow(1);
  for (int i = 0; i < 2; ++i) world().launcher().Then(Train(steps()));
  const v1::Job kept = Submit("kept");
  const v1::Job deleted = Submit("deleted");
  world().WaitForEnd("kept");
  world().WaitForEnd("deleted");

  AboutToRemove(kept, Removal::kOldCheckpoints);
  AboutToRemove(deleted, Removal::kOldCheckpoints);
  ASSERT_EQ(daemon().Collect(RetentionPolicy())->garbage_size(), 2);

  AboutToRemove(deleted, Removal::kJob);
  ASSERT_TRUE(world().jobs().Delete(JobWorld::kAna, "deleted").ok());
  Told(
      "deleted",
      [](KeepingDaemon& daemon) {
        EXPECT_TRUE(
            absl::IsNotFound(daemon.world().jobs().Get(JobWorld::kAna, "deleted").status()));
        // Models outlive their jobs.
        EXPECT_TRUE(daemon.models().Get("deleted@1", {JobWorld::kAna.owner}).ok());
      },
      [uid = deleted.uid()](KeepingDaemon& daemon) {
        // Its folder may be back; then it is nobody's, and goes.
        EXPECT_TRUE(daemon.Collect(RetentionPolicy()).ok());
        EXPECT_FALSE(FileSystem::Posix().Exists(
            absl::StrCat(daemon.world().options().attempts_dir, "/", uid, "-1")));
      });

  AboutToRemove(kept, Removal::kEvents);
  RetentionPolicy no_logs;
  no_logs.logs = absl::ZeroDuration();
  ASSERT_TRUE(daemon().Collect(no_logs).ok());
  const auto first = EventLog(world().database()).FirstAvailable(kept.uid());
  ASSERT_TRUE(first.ok() && *first > 1) << first.status();
  Told("the events are gone", [uid = kept.uid(), first = *first](KeepingDaemon& daemon) {
    EventLog log(daemon.world().database());
    EXPECT_EQ(log.FirstAvailable(uid).value_or(0), first);
    EXPECT_EQ(ReasonOf(log.Read(uid, 0).status()), "EVENTS_REMOVED");
    EXPECT_TRUE(log.Read(uid, first - 1).ok());
  });
  LosePowerEverywhere();
}

TEST_F(PowerLossTest, Tokens) {
  const auto make = [this](const char* owner) {
    const auto text = daemon().tokens().Create(owner, false, absl::InfiniteFuture(), "");
    EXPECT_TRUE(text.ok()) << text.status();
    return *text;
  };
  const std::string good = make("ana");
  Told("a token", [good](KeepingDaemon& daemon) {
    const auto token = daemon.tokens().Check(good);
    EXPECT_TRUE(token.ok()) << token.status();
  });
  const std::string bad = make("ben");
  ASSERT_TRUE(daemon().tokens().Revoke(daemon().tokens().Check(bad)->id).ok());
  Told("a revocation", [bad](KeepingDaemon& daemon) {
    EXPECT_EQ(ReasonOf(daemon.tokens().Check(bad).status()), "TOKEN_REVOKED");
  });
  LosePowerEverywhere();
}

TEST_F(PowerLossTest, JobThatCannotBeReadIsSetAside) {
  world().launcher().Then(TrainUntilAsked());
  const v1::Job job = Submit("torn");
  world().WaitUntil("torn", HasStep);
  ASSERT_TRUE(world().jobs().Cancel(JobWorld::kAna, "torn").ok());
  world().WaitForEnd("torn");
  AboutToRemove(job, Removal::kJob);
  ASSERT_TRUE(world()
                  .database()
                  .Write(Database::Priority::kControl,
                         [&job](Connection& connection) {
                           return connection.Execute(absl::StrCat(
                               "UPDATE jobs SET snapshot = x'ff' WHERE uid = '", job.uid(), "'"));
                         })
                  .ok());
  RestartDaemon();
  Told("set aside", [uid = job.uid()](KeepingDaemon& daemon) {
    const std::string lost = absl::StrCat(daemon.world().options().lost_and_found_dir, "/", uid);
    for (const char* file : {"why.txt", "snapshot.binpb", "spec.binpb", "events.binpb"}) {
      EXPECT_TRUE(FileSystem::Posix().Exists(absl::StrCat(lost, "/", file))) << file;
    }
    // Its attempts are there, or still where they were.
    const std::string checkpoint = absl::StrCat(uid, "-1/checkpoints/step-2/state.json");
    EXPECT_TRUE(FileSystem::Posix().Exists(absl::StrCat(lost, "/", checkpoint)) ||
                FileSystem::Posix().Exists(
                    absl::StrCat(daemon.world().options().attempts_dir, "/", checkpoint)));
  });
  LosePowerEverywhere();
}

}  // namespace
}  // namespace skytrain
