#include "server/retention/collector.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/ids.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/events/event_log.h"
#include "server/store/event_rows.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Three checkpoints, then a model.
void TrainWithCheckpoints(FakeRun& run) {
  if (!run.Claim()) return;
  run.StartRank();
  for (const int64_t step : {10, 20, 30}) {
    run.Metric("train/loss", step, 0.5);
    run.Checkpoint(step);
  }
  run.Model();
  run.Result(v1::COMPLETED);
  run.Exit(v1::COMPLETED);
}

class CollectorTest : public ::testing::Test {
 protected:
  CollectorTest() {
    world_.Start();
    options_.attempts_dir = world_.options().attempts_dir;
    options_.cache_dir = world_.path() + "/cache";
    std::filesystem::create_directories(options_.cache_dir);
    options_.policy.checkpoints = 100;  // Each test asks for what it is about.
    auto uploads = UploadStore::Open({.dir = world_.path() + "/blobs", .reserve_bytes = 0},
                                     world_.database(), FileSystem::Posix(), upload_clock_);
    EXPECT_TRUE(uploads.ok()) << uploads.status();
    uploads_ = *std::move(uploads);
  }

  // Ana sends so many bytes of a file of `bytes`; its name.
  std::string Send(const std::string& bytes, size_t sent) {
    const std::string sha256 = Sha256Hex(bytes);
    const auto upload = uploads_->Begin(sha256, bytes.size(), JobWorld::kAna.owner);
    EXPECT_TRUE(upload.ok()) << upload.status();
    const std::string data = bytes.substr(0, sent);
    EXPECT_TRUE((*upload)->Add(0, data, Crc32c(data)).ok());
    return BlobName(sha256);
  }

  v1::Job FinishedJob(const std::string& id) {
    world_.launcher().Then(TrainWithCheckpoints);
    world_.Create(id);
    return world_.WaitForEnd(id);
  }

  // What a collection `later` from now takes.
  std::vector<std::string> Collect(bool dry_run = false,
                                   absl::Duration later = absl::ZeroDuration()) {
    FakeClock clock(absl::Now() + later);
    upload_clock_.Advance(clock.Now() - upload_clock_.Now());
    Collector collector(options_, world_.database(), world_.jobs(), *uploads_, FileSystem::Posix(),
                        clock);
    const auto collected = collector.Collect(dry_run);
    EXPECT_TRUE(collected.ok()) << collected.status();
    std::vector<std::string> names;
    int64_t bytes = 0;
    for (const v1::Garbage& garbage : collected->garbage()) {
      names.push_back(garbage.what());
      EXPECT_FALSE(garbage.reason().empty());
      EXPECT_GT(garbage.bytes(), 0) << garbage.what();
      bytes += garbage.bytes();
    }
    EXPECT_EQ(collected->bytes(), bytes);
    return names;
  }

  void WriteFile(const std::string& path, size_t bytes) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << std::string(bytes, 'x');
  }

  JobWorld world_;
  Collector::Options options_;
  FakeClock upload_clock_{absl::Now()};
  std::unique_ptr<UploadStore> uploads_;
};

TEST_F(CollectorTest, NothingIsRemovedWithoutAReason) {
  FinishedJob("kept");
  EXPECT_THAT(Collect(false, absl::Hours(24 * 365)), IsEmpty());
}

TEST_F(CollectorTest, FinishedJobsGoWhenTheyAreOldEnough) {
  const v1::Job job = FinishedJob("old");
  options_.policy.jobs = absl::Hours(24);
  EXPECT_THAT(Collect(false, absl::Hours(23)), IsEmpty());
  EXPECT_THAT(Collect(true, absl::Hours(25)), ElementsAre("jobs/old"));
  EXPECT_EQ(world_.Get("old").state(), v1::SUCCEEDED) << "a dry run removes nothing";
  EXPECT_THAT(Collect(false, absl::Hours(25)), ElementsAre("jobs/old"));
  EXPECT_EQ(ReasonOf(world_.jobs().Get(JobWorld::kAna, "old").status()), "JOB_NOT_FOUND");
  EXPECT_FALSE(std::filesystem::exists(world_.AttemptFolder(job, 1)));
  EXPECT_THAT(Collect(false, absl::Hours(25)), IsEmpty());
}

TEST_F(CollectorTest, LiveJobsKeepEverything) {
  world_.launcher().Then([](FakeRun& run) {
    if (!run.Claim()) return;
    run.StartRank();
    for (const int64_t step : {10, 20, 30}) run.Checkpoint(step);
    if (run.WaitForStop()) run.Exit(v1::STOPPED);
  });
  world_.Create("live");
  world_.WaitForState("live", v1::RUNNING);
  options_.policy.checkpoints = 0;
  options_.policy.jobs = options_.policy.logs = absl::Seconds(1);
  EXPECT_THAT(Collect(false, absl::Hours(24)), IsEmpty());
  ASSERT_TRUE(world_.jobs().Cancel(JobWorld::kAna, "live").ok());
  world_.WaitForEnd("live");
}

TEST_F(CollectorTest, OldCheckpointsOfFinishedJobsGo) {
  const v1::Job job = FinishedJob("done");
  options_.policy.checkpoints = 1;
  EXPECT_THAT(Collect(), ElementsAre("jobs/done/attempts/1/checkpoints/step-20",
                                     "jobs/done/attempts/1/checkpoints/step-10"));
  EXPECT_TRUE(std::filesystem::exists(world_.AttemptFolder(job, 1) + "/checkpoints/step-30"));
  EXPECT_FALSE(std::filesystem::exists(world_.AttemptFolder(job, 1) + "/checkpoints/step-10"));
  EXPECT_THAT(Collect(), IsEmpty());
}

TEST_F(CollectorTest, TheBestCheckpointStays) {
  const v1::Job job = FinishedJob("done");
  const std::string folder = world_.AttemptFolder(job, 1) + "/checkpoints/";
  std::ofstream(folder + "step-30/state.json") << R"({"state": {"best": {"step": 10}}})";
  options_.policy.checkpoints = 1;
  EXPECT_THAT(Collect(), ElementsAre("jobs/done/attempts/1/checkpoints/step-20"));
}

TEST_F(CollectorTest, OldEventsGoAsWholeBatchesAndTheLastStays) {
  const v1::Job job = FinishedJob("logs");
  const int64_t last_seq = job.last_seq();
  options_.policy.logs = absl::Hours(1);
  EXPECT_THAT(Collect(), IsEmpty());
  const auto removed = Collect(false, absl::Hours(2));
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_THAT(removed[0], HasSubstr("jobs/logs/events/1-"));
  EventLog log(world_.database());
  const int64_t first = *log.FirstAvailable(job.uid());
  EXPECT_GT(first, 1);
  EXPECT_LE(first, last_seq);
  EXPECT_EQ(ReasonOf(log.Read(job.uid(), 0).status()), "EVENTS_REMOVED");
  const auto batch = log.Read(job.uid(), first - 1);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ((*batch)->last_seq, last_seq);
  EXPECT_EQ(world_.Get("logs").state(), v1::SUCCEEDED);
  EXPECT_THAT(Collect(false, absl::Hours(2)), IsEmpty());
}

TEST_F(CollectorTest, RemovalThatWasCutShortIsFinishedByTheNext) {
  const v1::Job job = FinishedJob("logs");
  options_.policy.logs = absl::Hours(1);
  // The daemon died between the new lowest seq and the removal of the rows.
  ASSERT_TRUE(world_.database()
                  .Write(Database::Priority::kControl,
                         [&](Connection& connection) {
                           return SetFirstAvailableSeq(connection, job.uid(), job.last_seq());
                         })
                  .ok());
  EXPECT_EQ(Collect(false, absl::Hours(2)).size(), 1u);
  EXPECT_THAT(Collect(false, absl::Hours(2)), IsEmpty());
}

TEST_F(CollectorTest, AttemptFoldersWithoutAJobGoAndOtherFoldersStay) {
  const std::string orphan = NewUid() + "-1";
  WriteFile(options_.attempts_dir + "/" + orphan + "/rank-0.spool", 1000);
  WriteFile(options_.attempts_dir + "/notes/mine.txt", 10);
  const v1::Job job = FinishedJob("kept");
  EXPECT_THAT(Collect(true), ElementsAre("attempts/" + orphan));
  EXPECT_THAT(Collect(), ElementsAre("attempts/" + orphan));
  EXPECT_FALSE(std::filesystem::exists(options_.attempts_dir + "/" + orphan));
  EXPECT_TRUE(std::filesystem::exists(options_.attempts_dir + "/notes/mine.txt"));
  EXPECT_TRUE(std::filesystem::exists(world_.AttemptFolder(job, 1)));
}

TEST_F(CollectorTest, BytesThatAZombieWroteAreCountedAndCutOff) {
  const v1::Job job = FinishedJob("zombie");
  const std::string spool = world_.AttemptFolder(job, 1) + "/rank-0.spool";
  const auto size = std::filesystem::file_size(spool);
  std::ofstream(spool, std::ios::binary | std::ios::app) << std::string(777, 'z');
  EXPECT_THAT(Collect(), ElementsAre("jobs/zombie/attempts/1/rank-0.spool"));
  EXPECT_EQ(std::filesystem::file_size(spool), size);
}

TEST_F(CollectorTest, TheCacheIsBoundedButWhatIsOpenStays) {
  for (const char* name : {"a.images", "b.images", "c.images", "other"}) {
    WriteFile(options_.cache_dir + "/" + name, 1000);
  }
  const auto used_at = [&](const char* name, int64_t seconds) {
    const timespec times[] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, (options_.cache_dir + "/" + name).c_str(), times, 0), 0);
  };
  used_at("a.images", 100);
  used_at("b.images", 200);
  used_at("c.images", 300);
  options_.policy.cache_bytes = 1500;
  const int fd = open((options_.cache_dir + "/a.images").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_SH), 0);
  EXPECT_THAT(Collect(), ElementsAre("cache/b.images"));
  close(fd);
  EXPECT_THAT(Collect(), ElementsAre("cache/a.images"));
  EXPECT_TRUE(std::filesystem::exists(options_.cache_dir + "/c.images"));
  EXPECT_TRUE(std::filesystem::exists(options_.cache_dir + "/other"));
}

TEST_F(CollectorTest, UploadsThatNobodyUsesGoAndUnfinishedOnesToo) {
  const std::string whole = Send(std::string(1000, 'w'), 1000);
  const std::string part = Send(std::string(1000, 'p'), 400);
  EXPECT_THAT(Collect(false, absl::Hours(24 * 365)), IsEmpty()) << "by default they are kept";
  options_.policy.uploads = absl::Hours(48);
  EXPECT_THAT(Collect(false, absl::Hours(47)), IsEmpty());
  EXPECT_THAT(Collect(true, absl::Hours(49)), UnorderedElementsAre(whole, part + "/part"));
  EXPECT_TRUE(uploads_->Find(*ParseBlobName(whole), JobWorld::kAna.owner).ok()) << "a dry run";
  EXPECT_THAT(Collect(false, absl::Hours(49)), UnorderedElementsAre(whole, part + "/part"));
  EXPECT_EQ(ReasonOf(uploads_->Find(*ParseBlobName(whole), JobWorld::kAna.owner).status()),
            "BLOB_NOT_FOUND");
  EXPECT_THAT(Collect(false, absl::Hours(49)), IsEmpty());
}

TEST_F(CollectorTest, UploadOfAJobThatIsNotOverStays) {
  const std::string blob = Send(std::string(1000, 'w'), 1000);
  options_.policy.uploads = absl::Hours(1);
  world_.launcher().Then([](FakeRun& run) {
    if (!run.Claim()) return;
    run.StartRank();
    if (run.WaitForStop()) run.Exit(v1::STOPPED);
  });
  v1::CreateJobRequest request = JobWorld::Request("needs");
  request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset(blob);
  const auto created = world_.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(created.ok()) << created.status();
  world_.WaitForState("needs", v1::RUNNING);
  EXPECT_THAT(Collect(false, absl::Hours(24)), IsEmpty());
  ASSERT_TRUE(world_.jobs().Suspend(JobWorld::kAna, "needs").ok());
  world_.WaitForState("needs", v1::SUSPENDED);
  EXPECT_THAT(Collect(false, absl::Hours(24)), IsEmpty()) << "it may go on";
  ASSERT_TRUE(world_.jobs().Cancel(JobWorld::kAna, "needs").ok());
  world_.WaitForEnd("needs");
  EXPECT_THAT(Collect(false, absl::Hours(24)), ElementsAre(blob));
}

TEST_F(CollectorTest, CollectsByItselfAfterEachInterval) {
  FinishedJob("old");
  options_.policy.jobs = absl::ZeroDuration();
  options_.interval = absl::Milliseconds(20);
  Collector collector(options_, world_.database(), world_.jobs(), *uploads_, FileSystem::Posix(),
                      Clock::Real());
  collector.Start();
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (world_.jobs().Get(JobWorld::kAna, "old").ok() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  EXPECT_FALSE(world_.jobs().Get(JobWorld::kAna, "old").ok());
  collector.Stop();
}

}  // namespace
}  // namespace skytrain
