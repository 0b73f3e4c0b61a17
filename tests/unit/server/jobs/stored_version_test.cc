// A new daemon on the state folders of released versions.
#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/models/model_store.h"
#include "tests/support/stored_state.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

const Caller kAdmin = {"admin", true};

// A world on the database of the stored folder.
class StoredVersion : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    std::filesystem::copy(stored_.path() + "/skytrain.db", world_.path() + "/skytrain.db");
    world_.options().gpu_devices = {};
  }
  v1::Job Get(const std::string& id) {
    const auto job = world_.jobs().Get(kAdmin, id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(v1::Job());
  }

  const StoredState stored_{absl::StrCat("version-", GetParam(), ".tar.gz")};
  JobWorld world_;
};

INSTANTIATE_TEST_SUITE_P(Schema, StoredVersion, ::testing::Values(1, 2, 3));

TEST_P(StoredVersion, JobsAreReadWithTheirEvents) {
  world_.launcher().Then(TrainUntilStopped());
  world_.launcher().Then(TrainUntilStopped());
  world_.Start();
  EXPECT_EQ(Get("good").state(), v1::SUCCEEDED);
  EXPECT_EQ(Get("good").model(), "models/good/versions/1");
  EXPECT_EQ(Get("good").metrics().at("test/accuracy"), 0.9);
  EXPECT_EQ(Get("good").experiment().model().mlp().hidden(0), 8);
  EXPECT_EQ(Get("bad").state(), v1::FAILED);
  EXPECT_EQ(Get("bad").termination().reason(), v1::NON_FINITE_LOSS);
  EXPECT_EQ(Get("stopped").state(), v1::CANCELLED);
  for (const char* id : {"good", "bad", "stopped"}) {
    const v1::Job job = Get(id);
    EXPECT_EQ(static_cast<int64_t>(world_.Events(job.uid()).size()), job.last_seq()) << id;
  }
}

TEST_P(StoredVersion, JobsThatWaitedOrRanGoOn) {
  for (int run = 0; run < 2; ++run) world_.launcher().Then(TrainOneStep(0.5));
  world_.Start();
  for (const char* id : {"running", "waiting"}) {
    for (int tries = 0; tries < 2000 && Get(id).state() != v1::SUCCEEDED; ++tries) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    const v1::Job job = Get(id);
    EXPECT_EQ(job.state(), v1::SUCCEEDED) << job.DebugString();
    EXPECT_EQ(static_cast<int64_t>(world_.Events(job.uid()).size()), job.last_seq());
  }
  EXPECT_EQ(Get("running").attempts_size(), 2) << "its folder is gone: a new attempt";
}

TEST_P(StoredVersion, RequestIdsAreKnown) {
  world_.launcher().Then(TrainUntilStopped());
  world_.launcher().Then(TrainUntilStopped());
  world_.Start();
  v1::CreateJobRequest other = JobWorld::Request("other");
  other.set_request_id("request-good");
  const auto refused = world_.jobs().Create({Get("good").owner(), false}, other);
  EXPECT_EQ(ReasonOf(refused.status()), "REQUEST_ID_REUSED") << refused.status();
}

TEST_P(StoredVersion, ModelsAreFound) {
  world_.launcher().Then(TrainUntilStopped());
  world_.launcher().Then(TrainUntilStopped());
  world_.Start();
  ModelStore models(stored_.path() + "/work/models", world_.database(), FileSystem::Posix(),
                    Clock::Real());
  const auto model = models.Get("models/good/versions/1", {"", /*admin=*/true});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->family(), "mlp");
  EXPECT_TRUE(FileSystem::Posix().Exists(models.DirOf(*model) + "/model.safetensors"));
  const auto named = models.SetAlias("good@1", "best", {"", /*admin=*/true});
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(models.Get("good@best", {"", /*admin=*/true})->name(), "models/good/versions/1");
}

std::map<std::string, std::string> FilesOf(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    // An index of the write-ahead log, made anew by whoever opens it.
    if (entry.path().extension() == ".db-shm") continue;
    files[entry.path().filename()] = ReadWhole(entry.path());
  }
  return files;
}

TEST(NewerVersion, IsRefusedAndLeftAsItIs) {
  const StoredState stored("version-2.tar.gz");
  TempDir dir;
  const std::string path = dir.File("skytrain.db");
  {
    // As a killed newer daemon leaves it: with a write-ahead log that is not in the database yet.
    const std::string from = stored.path() + "/skytrain.db";
    const auto newer = Connection::Open(from, Connection::Mode::kReadWrite);
    ASSERT_TRUE(newer.ok()) << newer.status();
    ASSERT_TRUE((*newer)->Execute("INSERT INTO schema_version VALUES (99)").ok());
    std::filesystem::copy(from, path);
    std::filesystem::copy(from + "-wal", path + "-wal");
  }
  const auto before = FilesOf(dir.path());
  ASSERT_EQ(before.size(), 2u);
  Database::Options options;
  options.path = path;
  options.ballast_path = dir.File("ballast");
  const auto refused = Database::Open(options);
  EXPECT_EQ(ReasonOf(refused.status()), "STORE_TOO_NEW");
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("schema version 99"));
  EXPECT_EQ(FilesOf(dir.path()), before);
}

}  // namespace
}  // namespace skytrain
