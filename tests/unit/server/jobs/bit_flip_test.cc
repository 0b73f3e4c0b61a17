// One bit of what is stored is flipped, at many seeded places: each is named, and what it damaged
// is never used.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/jobs/checkpoint_finder.h"
#include "server/store/job_rows.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// As many places of each kind.
constexpr int kFlips = 40;

std::string Flipped(std::string bytes, std::mt19937& random) {
  bytes[random() % bytes.size()] ^= static_cast<char>(1 << (random() % 8));
  return bytes;
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The log of a world's daemons, which come and go.
class Log {
 public:
  explicit Log(JobWorld& world) {
    world.options().log = [this](absl::string_view line) {
      MutexLock lock(mu_);
      lines_.emplace_back(line);
    };
  }
  std::vector<std::string> lines() {
    MutexLock lock(mu_);
    return lines_;
  }

 private:
  Mutex mu_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
};

// Starts `world` with a job that holds its only device, so that all others stay queued.
void StartBusy(JobWorld& world) {
  world.options().gpu_devices = {};
  world.launcher().Then(TrainUntilStopped());
  world.Start();
  world.Create("busy");
  world.WaitForState("busy", v1::RUNNING);
}

// Replaces the blob `column` of the row `where` of `table` by itself with one bit flipped.
absl::Status FlipBlob(JobWorld& world, absl::string_view table, absl::string_view column,
                      absl::string_view where, std::mt19937& random) {
  return world.database().Write(
      Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(
            Statement select,
            connection.Prepare(absl::StrCat("SELECT ", column, " FROM ", table, " WHERE ", where)));
        ASSIGN_OR_RETURN(const bool found, select.Step());
        if (!found) return absl::NotFoundError(where);
        const std::string flipped = Flipped(std::string(select.Blob(0)), random);
        ASSIGN_OR_RETURN(Statement update,
                         connection.Prepare(absl::StrCat("UPDATE ", table, " SET ", column,
                                                         " = ?1 WHERE ", where)));
        return update.BindBlob(1, flipped).Run();
      });
}

absl::Status Execute(JobWorld& world, const std::string& sql) {
  return world.database().Write(Database::Priority::kControl,
                                [&](Connection& connection) { return connection.Execute(sql); });
}

bool IsInLostAndFound(JobWorld& world, const std::string& uid) {
  return FileSystem::Posix().Exists(
      absl::StrCat(world.options().lost_and_found_dir, "/", uid, "/why.txt"));
}

TEST(BitFlip, LiveJobWhoseStateBecameFinalIsFoundAtTheStart) {
  for (const int state : {int{v1::SUCCEEDED}, int{v1::FAILED}, 63, 64, 1 << 20, -3}) {
    JobWorld world;
    Log log(world);
    StartBusy(world);
    const std::string uid = world.Create("flipped").uid();
    const std::string whole = world.Create("whole").uid();
    ASSERT_TRUE(
        Execute(world, absl::StrCat("UPDATE jobs SET state = ", state, " WHERE uid = '", uid, "'"))
            .ok());
    world.Restart();
    EXPECT_TRUE(IsInLostAndFound(world, uid)) << state;
    EXPECT_FALSE(IsInLostAndFound(world, whole)) << state;
    EXPECT_THAT(log.lines(), Contains(HasSubstr(absl::StrCat("job ", uid, " cannot be read"))));
    EXPECT_TRUE(absl::IsNotFound(world.jobs().Get(JobWorld::kAna, "flipped").status()));
    EXPECT_EQ(world.Get("whole").state(), v1::QUEUED);
  }
}

TEST(BitFlip, JobRowIsNamedAndSetAside) {
  std::mt19937 random(1);
  JobWorld world;
  Log log(world);
  StartBusy(world);
  struct Blob {
    const char* table;
    const char* column;
  };
  constexpr Blob kBlobs[] = {{"jobs", "snapshot"}, {"job_specs", "spec"}};
  std::vector<std::string> uids;
  for (int i = 0; i < kFlips; ++i) {
    const std::string id = absl::StrCat("job-", i);
    uids.push_back(world.Create(id).uid());
    const Blob& blob = kBlobs[i % std::size(kBlobs)];
    ASSERT_TRUE(
        FlipBlob(world, blob.table, blob.column, absl::StrCat("uid = '", uids.back(), "'"), random)
            .ok());
    const auto read = world.database().Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const auto row, FindJobByUid(connection, uids.back()));
      return row.has_value() && row->damaged ? absl::OkStatus() : absl::InternalError(id);
    });
    EXPECT_TRUE(read.ok()) << read;
  }
  world.Create("whole");
  world.Restart();
  const std::string lines = absl::StrJoin(log.lines(), "\n");
  for (const std::string& uid : uids) {
    EXPECT_TRUE(IsInLostAndFound(world, uid));
    EXPECT_TRUE(absl::StrContains(lines, absl::StrCat("job ", uid, " cannot be read"))) << lines;
  }
  EXPECT_EQ(world.Get("whole").state(), v1::QUEUED);
}

TEST(BitFlip, SpoolOffsetIsNamedAndTheJobGoesOn) {
  std::mt19937 random(2);
  for (int i = 0; i < 8; ++i) {
    JobWorld world;
    Log log(world);
    world.launcher().Then([](FakeRun& run) {
      run.Claim();
      run.StartRank();
      run.Metric("train/loss", 1, 0.5);
      if (run.WaitForStop()) run.Exit(v1::STOPPED);
    });
    world.Start();
    const std::string uid = world.Create("flipped").uid();
    world.WaitUntil("flipped", [](const v1::Job& job) { return job.progress().step() == 1; });
    // Within the file, and where no file reaches. SQLite has no operator for exclusive or.
    const int64_t bit = int64_t{1} << (random() % 40);
    ASSERT_TRUE(Execute(world, absl::StrCat("UPDATE spool_offsets SET offset = (offset | ", bit,
                                            ") - (offset & ", bit, ")"))
                    .ok());
    world.Restart();
    ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "flipped").ok());
    EXPECT_EQ(world.WaitForEnd("flipped").state(), v1::CANCELLED);
    const auto events = world.Events(uid);
    EXPECT_EQ(std::count_if(events.begin(), events.end(),
                            [](const v1::Event& event) {
                              return event.has_gap() &&
                                     absl::StrContains(event.gap().reason(), "rank-0.spool");
                            }),
              1);
    EXPECT_THAT(log.lines(), Contains(HasSubstr("how far rank-0.spool was read is damaged")));
  }
}

TEST(BitFlip, EventBatchIsNamedAndNoOtherJobIsTouched) {
  std::mt19937 random(3);
  JobWorld world;
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  const std::string uid = world.Create("flipped").uid();
  world.WaitForEnd("flipped");
  const std::string where = absl::StrCat("job_uid = '", uid, "'");
  EventLog log(world.database());
  ASSERT_TRUE(Execute(world, "CREATE TABLE kept AS SELECT * FROM event_batches").ok());
  for (int i = 0; i < kFlips; ++i) {
    ASSERT_TRUE(FlipBlob(world, "event_batches", "events",
                         absl::StrCat(where, " AND first_seq = 1"), random)
                    .ok());
    const auto events = log.Read(uid, 0);
    EXPECT_TRUE(absl::IsDataLoss(events.status())) << i << events.status();
    EXPECT_THAT(events.status().message(), HasSubstr(uid));
    ASSERT_TRUE(Execute(world, "INSERT OR REPLACE INTO event_batches SELECT * FROM kept").ok());
  }
  EXPECT_FALSE(world.Events(uid).empty()) << "whole again";
}

// Flips a bit of the file, calls `look`, and mends it.
template <typename Look>
void WithFlip(const std::string& path, std::mt19937& random, Look look) {
  const std::string whole = ReadWhole(path);
  WriteWhole(path, Flipped(whole, random));
  look();
  WriteWhole(path, whole);
}

TEST(BitFlip, CheckpointIsNamedAndTheOneBeforeIsUsed) {
  std::mt19937 random(4);
  TempDir dir;
  FakeRun run(AttemptDir(FileSystem::Posix(), dir.path()), [] { return false; });
  const std::string folder = run.dir().CheckpointsPath();
  ASSERT_TRUE(FileSystem::Posix().CreateDir(folder).ok());
  run.Checkpoint(10);
  run.Checkpoint(20);
  int flips = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder + "/step-20")) {
    for (int i = 0; i < kFlips; ++i, ++flips) {
      WithFlip(file.path(), random, [&] {
        std::vector<std::string> torn;
        const auto found = NewestCheckpoint(
            FileSystem::Posix(), {folder},
            [&](const absl::Status& status) { torn.emplace_back(status.message()); });
        ASSERT_TRUE(found.has_value());
        EXPECT_EQ(found->step, 10) << file.path();
        EXPECT_THAT(torn, Contains(HasSubstr("step-20")));
      });
    }
  }
  EXPECT_GE(flips, 2 * kFlips);
  EXPECT_EQ(NewestCheckpoint(FileSystem::Posix(), {folder}, [](const absl::Status&) {})->step, 20)
      << "whole again";
}

}  // namespace
}  // namespace skytrain
