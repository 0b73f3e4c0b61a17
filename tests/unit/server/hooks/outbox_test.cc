// From a state change to the row that says so: in one transaction, whatever happens.
#include "server/hooks/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "server/store/hook_rows.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Hook HookOn(const std::string& name, std::vector<v1::JobState> states) {
  Hook hook;
  hook.name = name;
  for (const v1::JobState state : states) hook.states |= uint64_t{1} << state;
  return hook;
}

class HookOutboxTest : public ::testing::Test {
 protected:
  void Connect(std::vector<Hook> hooks, int64_t max_bytes = 16 << 20) {
    HookOutbox::Options options;
    options.hooks = std::move(hooks);
    options.max_bytes = max_bytes;
    options.stored_bytes = [this] { return stored_bytes_.load(); };
    options.on_dropped = [this](const HookRow& row) {
      MutexLock lock(mu_);
      dropped_.push_back(row.job_id);
    };
    options.log = [this](absl::string_view line) {
      MutexLock lock(mu_);
      log_.emplace_back(line);
    };
    outbox_ = std::make_unique<HookOutbox>(std::move(options));
    world_.options().outbox = {[this](const v1::Job& job, const v1::Event& change) {
                                 return outbox_->RowsFor(job, change);
                               },
                               [this] { ++stored_; },
                               [this](const std::vector<HookRow>& rows) { outbox_->Lose(rows); }};
  }
  std::vector<HookRow> Rows() {
    std::vector<HookRow> rows;
    EXPECT_TRUE(world_.database()
                    .Read([&](Connection& connection) -> absl::Status {
                      const auto heads = *ListHookRows(connection, 0, 1000);
                      for (const HookRowHead& head : heads) {
                        rows.push_back(**FindHookRow(connection, head.id));
                      }
                      return absl::OkStatus();
                    })
                    .ok());
    return rows;
  }
  // "HOOK FROM>TO" of each.
  std::vector<std::string> Told() {
    std::vector<std::string> told;
    for (const HookRow& row : Rows()) {
      const auto payload = nlohmann::json::parse(row.payload);
      told.push_back(absl::StrCat(row.hook, " ", payload.value("from", ""), ">",
                                  payload["to"].get<std::string>()));
    }
    return told;
  }

  JobWorld world_;
  std::unique_ptr<HookOutbox> outbox_;
  std::atomic<int64_t> stored_bytes_{0};
  std::atomic<int> stored_{0};
  Mutex mu_;
  std::vector<std::string> dropped_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> log_ ABSL_GUARDED_BY(mu_);
};

const std::vector<v1::JobState> kAll = {v1::QUEUED,    v1::STARTING, v1::RUNNING,   v1::STOPPING,
                                        v1::SUCCEEDED, v1::FAILED,   v1::CANCELLED, v1::SUSPENDED};

TEST_F(HookOutboxTest, EveryChangeOfAJobsLifeIsTold) {
  Connect({HookOn("all", kAll), HookOn("ends", {v1::SUCCEEDED, v1::FAILED, v1::CANCELLED})});
  world_.launcher().Then(TrainOneStep(0.5));
  world_.Start();
  world_.Create("good");
  const v1::Job job = world_.WaitForEnd("good");
  EXPECT_THAT(Told(), ElementsAre("all >QUEUED", "all QUEUED>STARTING", "all STARTING>RUNNING",
                                  "all RUNNING>SUCCEEDED", "ends RUNNING>SUCCEEDED"));
  EXPECT_EQ(stored_, 4);
  const HookRow last = Rows().back();
  EXPECT_EQ(last.seq, job.last_seq()) << "the number of the event that it tells of";
  const auto payload = nlohmann::json::parse(last.payload);
  EXPECT_EQ(payload["id"], absl::StrCat(job.uid(), "/", job.last_seq(), "/ends"));
  EXPECT_EQ(payload["attempt"], 1);
  EXPECT_EQ(payload["attempt_end"], "COMPLETED");
  EXPECT_EQ(payload["job"]["owner"], "ana");
  EXPECT_EQ(payload["job"]["metrics"]["train/loss"], 0.5);
}

TEST_F(HookOutboxTest, SuspendedResumedAndCancelledIsTold) {
  Connect({HookOn("h", {v1::QUEUED, v1::SUSPENDED, v1::CANCELLED})});
  world_.launcher().Then(TrainUntilStopped());
  world_.launcher().Then(TrainUntilStopped());
  world_.Start();
  world_.Create("job");
  world_.WaitForState("job", v1::RUNNING);
  ASSERT_TRUE(world_.jobs().Suspend(JobWorld::kAna, "job").ok());
  world_.WaitForState("job", v1::SUSPENDED);
  ASSERT_TRUE(world_.jobs().Resume(JobWorld::kAna, "job").ok());
  world_.WaitForState("job", v1::RUNNING);
  ASSERT_TRUE(world_.jobs().Cancel(JobWorld::kAna, "job").ok());
  world_.WaitForEnd("job");
  EXPECT_THAT(Told(), ElementsAre("h >QUEUED", "h STOPPING>SUSPENDED", "h SUSPENDED>QUEUED",
                                  "h STOPPING>CANCELLED"));
}

TEST_F(HookOutboxTest, OnlyJobsThatTheFilterNames) {
  Hook hook = HookOn("h", {v1::QUEUED});
  hook.filter = *JobFilter::Parse("name=b*");
  Connect({hook});
  world_.options().gpu_devices = {};
  world_.Start();
  world_.Create("apple");
  world_.Create("banana");
  ASSERT_EQ(Rows().size(), 1u);
  EXPECT_EQ(Rows()[0].job_id, "banana");
}

TEST_F(HookOutboxTest, RowsOutliveTheDaemonAndTheJob) {
  Connect({HookOn("h", {v1::SUCCEEDED})});
  world_.launcher().Then(TrainOneStep(0.5));
  world_.Start();
  world_.Create("good");
  world_.WaitForEnd("good");
  ASSERT_TRUE(world_.jobs().Delete(JobWorld::kAna, "good").ok());
  world_.Restart();
  EXPECT_THAT(Told(), ElementsAre("h RUNNING>SUCCEEDED"));
}

TEST_F(HookOutboxTest, BeyondTheBoundWhatIsNewIsDroppedAndSaidOnce) {
  Connect({HookOn("h", {v1::QUEUED})}, /*max_bytes=*/1 << 20);
  world_.options().gpu_devices = {};
  world_.Start();
  stored_bytes_ = 1 << 20;
  world_.Create("one");
  world_.Create("two");
  stored_bytes_ = 0;
  world_.Create("three");
  ASSERT_EQ(Rows().size(), 1u);
  EXPECT_EQ(Rows()[0].job_id, "three");
  MutexLock lock(mu_);
  EXPECT_THAT(dropped_, ElementsAre("one", "two"));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("the first for hook 'h' and job 'one': more than 1 MiB"),
                                HasSubstr("stored again; 2 were dropped")));
}

// A full disk on which the change alone has room, and the rows have not.
TEST_F(HookOutboxTest, AChangeIsNotLostWithTheRowsThatDoNotFit) {
  Connect({HookOn("h", {v1::STOPPING})});
  const auto make = world_.options().outbox.rows;
  world_.options().outbox.rows = [make](const v1::Job& job, const v1::Event& change) {
    std::vector<HookRow> rows = make(job, change);
    for (HookRow& row : rows) row.payload.resize(64 << 20);
    return rows;
  };
  world_.launcher().Then(TrainUntilStopped());
  world_.Start();
  world_.Create("job");
  world_.WaitForState("job", v1::RUNNING);
  ASSERT_TRUE(world_.database()
                  .Write(Database::Priority::kControl,
                         [](Connection& connection) {
                           return connection.Execute("PRAGMA max_page_count=1000");
                         })
                  .ok());
  const auto cancelled = world_.jobs().Cancel(JobWorld::kAna, "job");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  const v1::Job job = world_.WaitForEnd("job");
  EXPECT_EQ(job.state(), v1::CANCELLED);
  EXPECT_EQ(world_.Events(job.uid()).size(), static_cast<size_t>(job.last_seq()));
  EXPECT_THAT(Rows(), IsEmpty());
  EXPECT_EQ(stored_, 0);
  MutexLock lock(mu_);
  EXPECT_THAT(dropped_, ElementsAre("job"));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("the disk of the state folder is full")));
}

}  // namespace
}  // namespace skytrain
