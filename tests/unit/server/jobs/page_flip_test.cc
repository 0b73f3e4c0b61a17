// One bit of the database's files is flipped while no daemon runs, at many seeded places over whole
// files. The next start either shows what was stored, to the bit, or says what is damaged.
#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/models/model_rows.h"
#include "server/store/checked_vfs.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

constexpr int kPageFlips = 220;
constexpr int kLogFlips = 120;
constexpr int kHeaderBytes = 100;
constexpr size_t kFinished = 6;
constexpr size_t kQueued = 20;

// What a client sees of a job: its bytes, and those of its events.
struct Seen {
  std::string uid;
  std::string job;
  std::string events;
};
using State = std::map<std::string, Seen>;  // By job id.

// What is stored of a job: without its place in the queue, which goes by the others.
std::string StoredBytes(v1::Job job) {
  job.clear_queue_position();
  job.clear_queue_reason();
  job.clear_expected_start_time();
  return job.SerializeAsString();
}

// The events' bytes; DATA_LOSS when they are said to be damaged.
absl::StatusOr<std::string> EventBytes(JobWorld& world, const std::string& uid) {
  EventLog log(world.database());
  std::string bytes;
  int64_t seq = 0;
  while (true) {
    ASSIGN_OR_RETURN(const auto batch, log.Read(uid, seq));
    if (batch == nullptr) return bytes;
    absl::StrAppend(&bytes, batch->bytes);
    seq = batch->last_seq;
  }
}

v1::ListJobsResponse List(JobWorld& world) {
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  const auto list = world.jobs().List(JobWorld::kAna, request);
  EXPECT_TRUE(list.ok()) << list.status();
  return list.ok() ? *list : v1::ListJobsResponse();
}

State Look(JobWorld& world) {
  State state;
  const v1::ListJobsResponse list = List(world);
  for (const v1::Job& listed : list.jobs()) {
    const std::string id = listed.name().substr(listed.name().find('/') + 1);
    state[id] = {listed.uid(), StoredBytes(world.Get(id)), EventBytes(world, listed.uid()).value()};
  }
  return state;
}

// A folder whose daemon has finished some jobs and queues others, for a GPU that is not there.
class Stored {
 public:
  Stored() {
    for (size_t i = 0; i < kFinished; ++i) world_.launcher().Then(Train);
    world_.launcher().Then(TrainUntilStopped());
    world_.Start();
    for (size_t i = 0; i < kFinished; ++i) {
      world_.Create(absl::StrCat("finished-", i));
      EXPECT_EQ(world_.WaitForEnd(absl::StrCat("finished-", i)).state(), v1::SUCCEEDED);
    }
    Queue("busy");
    world_.WaitForState("busy", v1::RUNNING);
    for (size_t i = 0; i < kQueued; ++i) Queue(absl::StrCat("queued-", i));
    world_.options().gpu_devices = {};
    world_.Restart();
    EXPECT_TRUE(world_.jobs().Cancel(JobWorld::kAna, "busy").ok());
    world_.WaitForEnd("busy");
    EXPECT_TRUE(world_.database()
                    .Write(Database::Priority::kControl,
                           [](Connection& connection) {
                             return InsertModel(connection, {"m", 1, "u", "ana", 5, "proto"});
                           })
                    .ok());
    state_ = Look(world_);
    EXPECT_EQ(state_.size(), kFinished + 1 + kQueued);
  }

  // As a stopped daemon leaves it, or one that is killed now.
  void Stop() { world_.Stop(); }
  const std::string& path() const { return world_.path(); }
  const State& state() const { return state_; }

 private:
  static void Train(FakeRun& run) {
    run.Claim();
    run.StartRank();
    for (int step = 1; step <= 200; ++step) run.Metric("train/loss", step, 1.0 / step);
    v1::Event log;
    log.mutable_log()->set_data(std::string(50'000, 'x'));
    run.Emit(log);
    run.Model();
    run.Result(v1::COMPLETED);
    run.Exit(v1::COMPLETED);
  }
  void Queue(const std::string& id) {
    v1::CreateJobRequest request = JobWorld::Request(id);
    request.mutable_job()->mutable_experiment()->mutable_resources()->set_gpus(1);
    request.set_request_id("request-" + id);
    EXPECT_TRUE(world_.jobs().Create(JobWorld::kAna, request).ok());
  }

  JobWorld world_;
  State state_;
};

// A daemon on a copy of the database files, of which some are changed.
class Flipped {
 public:
  explicit Flipped(const Stored& stored)
      : stored_(stored), world_(dir_.path(), FileSystem::Posix(), "") {
    for (const auto& entry : std::filesystem::directory_iterator(stored.path())) {
      if (!entry.is_regular_file() || entry.path().extension() == ".db-shm") continue;
      std::filesystem::copy(entry.path(), dir_.File(entry.path().filename().string()));
    }
    world_.options().gpu_devices = {};
    world_.options().log = [this](absl::string_view line) {
      MutexLock lock(mu_);
      absl::StrAppend(&lines_, line, "\n");
    };
  }
  std::string File(const std::string& suffix) const { return dir_.File("skytrain.db" + suffix); }
  JobWorld& world() { return world_; }
  std::string lines() {
    MutexLock lock(mu_);
    return lines_;
  }

  // In the order of how much is not there any more. kNamed: whoever reads what is damaged is told.
  enum Outcome { kTrue, kMended, kNamed, kSetAside, kRefused };
  // Fails the test unless the start is true or names what is not.
  Outcome Start() {
    const absl::Status started = world_.TryStart();
    if (!started.ok()) {
      EXPECT_EQ(ReasonOf(started), "STORE_CORRUPT") << started;
      EXPECT_THAT(std::string(started.message()), HasSubstr(dir_.path()));
      EXPECT_THAT(std::string(started.message()), HasSubstr(".dump"));
      return kRefused;
    }
    Outcome outcome = lines().empty() ? kTrue : kMended;
    size_t lost = 0;
    for (const auto& [id, seen] : stored_.state()) {
      const auto job = world_.jobs().Get(JobWorld::kAna, id);
      if (job.ok()) {
        EXPECT_EQ(StoredBytes(*job), seen.job) << id;
        const auto events = EventBytes(world_, seen.uid);
        if (events.ok()) {
          EXPECT_EQ(*events, seen.events) << id;
        } else {
          EXPECT_TRUE(absl::IsDataLoss(events.status())) << events.status();
          outcome = std::max(outcome, kNamed);
        }
        continue;
      }
      // Of a job that is over, its attempts.
      if (absl::IsDataLoss(job.status())) {
        EXPECT_THAT(std::string(job.status().message()), HasSubstr(id));
        outcome = std::max(outcome, kNamed);
        continue;
      }
      EXPECT_TRUE(absl::IsNotFound(job.status())) << id << " " << job.status();
      EXPECT_TRUE(std::filesystem::exists(dir_.File("lost+found/" + seen.uid + "/why.txt"))) << id;
      EXPECT_THAT(lines(), HasSubstr(absl::StrCat("job ", seen.uid, " cannot be read")));
      outcome = kSetAside;
      ++lost;
    }
    EXPECT_EQ(static_cast<size_t>(List(world_).jobs_size()), stored_.state().size() - lost);
    return outcome;
  }

  void ExpectNewJobsAreTakenOrRefused() {
    v1::CreateJobRequest request = JobWorld::Request("new");
    const auto created = world_.jobs().Create(JobWorld::kAna, request);
    if (!created.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(created.status())) << created.status();
      return;
    }
    const absl::Status cancelled = world_.jobs().Cancel(JobWorld::kAna, "new").status();
    EXPECT_TRUE(cancelled.ok() || absl::IsDataLoss(cancelled)) << cancelled;
    if (!cancelled.ok()) return;
    // Its events may belong on the damaged page: then it stays as it is, and the log says why.
    world_.WaitUntil("new", [this](const v1::Job& job) {
      return job.state() == v1::CANCELLED ||
             absl::StrContains(lines(), absl::StrCat(job.uid(), "-1: database: page"));
    });
  }

 private:
  const Stored& stored_;
  TempDir dir_;
  Mutex mu_;
  std::string lines_ ABSL_GUARDED_BY(mu_);
  JobWorld world_;
};

void FlipBit(const std::string& path, size_t position, std::mt19937& random) {
  std::string bytes = ReadWhole(path);
  bytes[position] ^= static_cast<char>(1 << (random() % 8));
  WriteWhole(path, bytes);
}

TEST(PageFlip, AnywhereInTheDatabaseIsNamedOrChangesNothing) {
  Stored stored;
  stored.Stop();
  std::mt19937 random(1);
  const size_t size = std::filesystem::file_size(stored.path() + "/skytrain.db");
  std::vector<size_t> positions;
  for (int i = 0; i < kHeaderBytes; i += 3) positions.push_back(i);
  for (int i = 0; i < kPageFlips; ++i) positions.push_back(random() % size);
  std::map<int, int> outcomes;
  for (const size_t position : positions) {
    SCOPED_TRACE(
        absl::StrCat("byte ", position % kPageBytes, " of page ", position / kPageBytes + 1));
    Flipped flipped(stored);
    FlipBit(flipped.File(""), position, random);
    const Flipped::Outcome outcome = flipped.Start();
    const bool looks_on = ++outcomes[outcome] % 8 == 0 && outcome != Flipped::kRefused;
    if (looks_on) flipped.ExpectNewJobsAreTakenOrRefused();
    if (HasFailure()) break;
  }
  for (const auto& [outcome, count] : outcomes) {
    RecordProperty(absl::StrCat("outcome_", outcome), count);
  }
  // Else the places were not those that matter.
  EXPECT_GT(outcomes[Flipped::kTrue], 0);
  EXPECT_GT(outcomes[Flipped::kMended] + outcomes[Flipped::kSetAside], 0);
  EXPECT_GT(outcomes[Flipped::kNamed], 0);
  EXPECT_GT(outcomes[Flipped::kRefused], 0);
}

TEST(PageFlip, InTheLogOfAKilledDaemonIsRefusedByName) {
  const Stored stored;  // Open: its log holds everything since the restart.
  std::mt19937 random(2);
  const size_t size = std::filesystem::file_size(stored.path() + "/skytrain.db-wal");
  ASSERT_GT(size, 100'000u);
  for (int i = 0; i < kLogFlips; ++i) {
    const size_t position = i < 60 ? i : random() % size;
    SCOPED_TRACE(absl::StrCat("byte ", position, " of ", size));
    Flipped flipped(stored);
    FlipBit(flipped.File("-wal"), position, random);
    const Flipped::Outcome outcome = flipped.Start();
    EXPECT_EQ(outcome, Flipped::kRefused);
    if (HasFailure()) break;
  }
  // The note beside the log only says how far it must be whole.
  for (int position = 0; position < 20; ++position) {
    Flipped flipped(stored);
    FlipBit(flipped.File("-wal-synced"), position, random);
    EXPECT_EQ(flipped.Start(), Flipped::kTrue);
  }
}

TEST(PageFlip, CommitThatACrashCutShortIsNoDamage) {
  const Stored stored;
  const size_t size = std::filesystem::file_size(stored.path() + "/skytrain.db-wal");
  for (const size_t more : {size_t{1}, size_t{24}, size_t{5000}, size_t{8216}, size_t{30'000}}) {
    Flipped flipped(stored);
    const std::string log = ReadWhole(flipped.File("-wal"));
    // The beginning of a frame that would follow: with the salt of the log, and a wrong checksum.
    std::string frame = log.substr(32, 24) + std::string(40'000, 'x');
    WriteWhole(flipped.File("-wal"), log + frame.substr(0, more));
    EXPECT_EQ(flipped.Start(), Flipped::kTrue) << size << "+" << more;
  }
}

TEST(PageFlip, LostLogTailIsNamed) {
  const Stored stored;
  Flipped flipped(stored);
  const std::string log = ReadWhole(flipped.File("-wal"));
  WriteWhole(flipped.File("-wal"), log.substr(0, log.size() - 1));
  EXPECT_EQ(flipped.Start(), Flipped::kRefused);
}

// Rows by themselves, as in a database of an earlier version, whose pages have no checksums.
TEST(RowFlip, DamagedKeyIsMendedByTheChecksumAndTheJobGoesOn) {
  for (const char* table : {"jobs", "job_specs", "attempts", "spool_offsets"}) {
    SCOPED_TRACE(table);
    const std::string key = absl::StartsWith(table, "job") ? "uid" : "job_uid";
    JobWorld world;
    std::string lines;
    world.launcher().Then(TrainUntilStopped());
    world.Start();
    const v1::Job job = world.Create("flipped");
    world.WaitForState("flipped", v1::RUNNING);
    world.options().log = [&](absl::string_view line) { absl::StrAppend(&lines, line, "\n"); };
    std::string uid = job.uid();
    uid[3] ^= 1;
    ASSERT_TRUE(world.database()
                    .Write(Database::Priority::kControl,
                           [&](Connection& connection) {
                             return connection.Execute(
                                 absl::StrCat("UPDATE ", table, " SET ", key, " = '", uid, "'"));
                           })
                    .ok());
    world.Stop();
    const absl::Status started = world.TryStart();
    ASSERT_TRUE(started.ok()) << started;
    EXPECT_THAT(lines, HasSubstr("got their key back"));
    EXPECT_EQ(world.Get("flipped").uid(), job.uid());
    ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "flipped").ok());
    const v1::Job over = world.WaitForEnd("flipped");
    EXPECT_EQ(over.state(), v1::CANCELLED);
    EXPECT_EQ(over.attempts_size(), 1);
    EXPECT_EQ(static_cast<int64_t>(world.Events(job.uid()).size()), over.last_seq());
    EXPECT_FALSE(FileSystem::Posix().Exists(world.options().lost_and_found_dir));
  }
}

}  // namespace
}  // namespace skytrain
