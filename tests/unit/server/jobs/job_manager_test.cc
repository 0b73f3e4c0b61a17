// What callers may ask, and what they are told.
#include <string>
#include <vector>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;

const Caller kBen = {"ben", false};
const Caller kAdmin = {"root", true};

TEST(CreateJob, MakesANameFromTheExperimentWhenNoneIsChosen) {
  JobWorld world;
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("");
  const auto created = world.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_THAT(created->job().name(), ::testing::MatchesRegex("jobs/galaxies-[a-z2-7]{4}"));
  EXPECT_EQ(created->job().owner(), "ana");
  EXPECT_EQ(created->job().last_seq(), 1);
  EXPECT_GT(created->estimate().parameters(), 0);
}

TEST(CreateJob, SameRequestIdAndPayloadAnswerTheSameJob) {
  JobWorld world;
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("");
  request.set_request_id("r-1");
  const auto first = world.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = world.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->job().uid(), first->job().uid());
  world.Restart();
  const auto later = world.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(later->job().uid(), first->job().uid());
  // Another owner's ids are another matter.
  EXPECT_NE(world.jobs().Create(kBen, request)->job().uid(), first->job().uid());
}

TEST(CreateJob, RequestIdWithAnotherPayloadIsRefused) {
  JobWorld world;
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("");
  request.set_request_id("r-1");
  ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  request.mutable_job()->mutable_experiment()->mutable_train()->set_epochs(4);
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, request).status()), "REQUEST_ID_REUSED");
}

TEST(CreateJob, RequestOfADeletedJobMakesNoSecondOne) {
  JobWorld world;
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("once");
  request.set_request_id("r-1");
  ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  world.WaitForEnd("once");
  ASSERT_TRUE(world.jobs().Delete(JobWorld::kAna, "once").ok());
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, request).status()), "JOB_NOT_FOUND");
}

TEST(CreateJob, TakenIdIsRefused) {
  JobWorld world;
  world.Start();
  world.Create("taken");
  EXPECT_EQ(ReasonOf(world.jobs().Create(kBen, JobWorld::Request("taken")).status()), "JOB_EXISTS");
}

TEST(CreateJob, ValidateOnlyStoresNothing) {
  JobWorld world;
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("dry");
  request.set_validate_only(true);
  const auto checked = world.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->job().uid(), "");
  EXPECT_EQ(ReasonOf(world.jobs().Get(JobWorld::kAna, "dry").status()), "JOB_NOT_FOUND");
}

TEST(CreateJob, WrongSpecsMissingDataAndTooManyDevicesLeaveNothingBehind) {
  JobWorld world;
  world.options().manifest = [](const v1::Data& data, const std::optional<v1::Task>&,
                                const std::string&) -> absl::StatusOr<v1::DatasetManifest> {
    return ErrorWithReason(absl::StatusCode::kNotFound, "DATA_NOT_FOUND", data.dataset());
  };
  world.Start();
  v1::CreateJobRequest wrong = JobWorld::Request("wrong");
  wrong.mutable_job()->mutable_experiment()->mutable_train()->set_epochs(-3);
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, wrong).status()), "INVALID_EXPERIMENT");
  v1::CreateJobRequest large = JobWorld::Request("large");
  large.mutable_job()->mutable_experiment()->mutable_resources()->set_gpus(4);
  const auto refused = world.jobs().Create(JobWorld::kAna, large);
  ASSERT_EQ(ViolationsOf(refused.status()).size(), 1u) << refused.status();
  EXPECT_EQ(ViolationsOf(refused.status())[0].field, "resources.gpus");
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, JobWorld::Request("x-y")).status()),
            "DATA_NOT_FOUND");
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, {}).status()), "INVALID_EXPERIMENT");
  EXPECT_EQ(world.jobs().List(JobWorld::kAna, {})->jobs_size(), 0);
}

TEST(CreateJob, ImagesThatTakeMoreThanTheCacheMayAreRefused) {
  JobWorld world;
  world.options().max_cache_bytes = 1000 * 64 * 64 * 3;
  world.Start();
  EXPECT_TRUE(world.jobs().Create(JobWorld::kAna, JobWorld::Request("fits")).ok());
  v1::CreateJobRequest large = JobWorld::Request("large");
  large.mutable_job()->mutable_experiment()->mutable_data()->mutable_image()->set_size(66);
  const absl::Status refused = world.jobs().Create(JobWorld::kAna, large).status();
  EXPECT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT");
  ASSERT_EQ(ViolationsOf(refused).size(), 1u) << refused;
  EXPECT_EQ(ViolationsOf(refused)[0].field, "data.image.size");
  EXPECT_THAT(ViolationsOf(refused)[0].description, testing::HasSubstr("13,068,000 bytes"));
}

TEST(CreateJob, FullQueueIsRefused) {
  JobWorld world;
  world.options().max_queued_jobs = 1;
  world.launcher().Then(TrainUntilStopped());
  world.Start();
  world.Create("runs");
  world.WaitForState("runs", v1::RUNNING);
  world.Create("waits");
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, JobWorld::Request("more")).status()),
            "QUEUE_FULL");
}

TEST(CancelJob, QueuedJobIsCancelledAtOnceAndAgainChangesNothing) {
  JobWorld world;
  world.launcher().Then(TrainUntilStopped());
  world.Start();
  world.Create("runs");
  world.WaitForState("runs", v1::RUNNING);
  world.Create("waits");
  const auto cancelled = world.jobs().Cancel(JobWorld::kAna, "waits");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::CANCELLED);
  const auto again = world.jobs().Cancel(JobWorld::kAna, "waits");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->last_seq(), cancelled->last_seq());
}

TEST(CancelJob, JobThatNobodyClaimedYetIsCancelledWithoutAWait) {
  JobWorld world;  // No script: the shepherd never comes.
  world.Start();
  world.Create("starting");
  world.WaitForState("starting", v1::STARTING);
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "starting").ok());
  EXPECT_EQ(world.WaitForEnd("starting").state(), v1::CANCELLED);
}

TEST(CancelJob, StoppingJobStaysStoppingUntilItsProcessesAreGone) {
  JobWorld world;
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.WaitForStop();
    run.WaitUntil([&run] { return FileSystem::Posix().Exists(run.dir().path() + "/may-go"); });
    run.Exit(v1::STOPPED);
  });
  world.Start();
  world.Create("slow");
  const v1::Job job = world.WaitForState("slow", v1::RUNNING);
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "slow").ok());
  const auto again = world.jobs().Cancel(JobWorld::kAna, "slow");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->state(), v1::STOPPING);
  EXPECT_EQ(world.jobs().Devices()[1].job, "jobs/slow");
  WriteWhole(world.AttemptFolder(job, 1) + "/may-go", "");
  EXPECT_EQ(world.WaitForEnd("slow").state(), v1::CANCELLED);
  EXPECT_EQ(world.jobs().Devices()[1].job, "");
}

TEST(CancelJob, JobWhoseProcessesDoNotDieStaysStoppingAndSaysSo) {
  JobWorld world;
  world.options().undead_after = absl::Milliseconds(10);
  world.launcher().Then([](FakeRun& run) {
    run.Claim();
    run.StartRank();
    run.WaitUntil([&run] { return FileSystem::Posix().Exists(run.dir().path() + "/may-go"); });
    run.Exit(v1::STOPPED);
  });
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("undead");
  request.mutable_job()->mutable_experiment()->mutable_limits()->mutable_grace()->set_nanos(1000);
  ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  const v1::Job job = world.WaitForState("undead", v1::RUNNING);
  const int64_t stopping = world.jobs().Cancel(JobWorld::kAna, "undead")->last_seq();
  world.WaitUntil("undead", [&](const v1::Job& now) { return now.last_seq() > stopping; });
  EXPECT_EQ(world.Get("undead").state(), v1::STOPPING);
  EXPECT_EQ(world.jobs().Devices()[1].job, "jobs/undead");
  const v1::StateChange remark = world.Events(job.uid()).back().state();
  EXPECT_EQ(remark.to(), v1::STOPPING);
  EXPECT_THAT(remark.message(), ::testing::HasSubstr("a process does not die"));
  WriteWhole(world.AttemptFolder(job, 1) + "/may-go", "");
  EXPECT_EQ(world.WaitForEnd("undead").state(), v1::CANCELLED);
}

TEST(CancelJob, FinishedJobIsRefused) {
  JobWorld world;
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  world.Create("done");
  world.WaitForEnd("done");
  EXPECT_EQ(ReasonOf(world.jobs().Cancel(JobWorld::kAna, "done").status()), "JOB_FINISHED");
}

TEST(Jobs, OfSomebodyElseAreNotThereExceptForAnAdmin) {
  JobWorld world;
  world.Start();
  world.Create("mine");
  EXPECT_EQ(ReasonOf(world.jobs().Get(kBen, "mine").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(world.jobs().Cancel(kBen, "mine").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(world.jobs().Delete(kBen, "mine")), "JOB_NOT_FOUND");
  EXPECT_EQ(world.jobs().List(kBen, {})->jobs_size(), 0);
  EXPECT_TRUE(world.jobs().Get(kAdmin, "mine").ok());
  EXPECT_EQ(world.jobs().List(kAdmin, {})->jobs_size(), 1);
}

TEST(Jobs, ThatEverybodyMaySeeAreChangedByTheirOwnerOnly) {
  JobWorld world;
  world.options().jobs_visible_to_all = true;
  world.Start();
  world.Create("mine");
  EXPECT_TRUE(world.jobs().Get(kBen, "mine").ok());
  EXPECT_EQ(world.jobs().List(kBen, {})->jobs_size(), 1);
  EXPECT_EQ(ReasonOf(world.jobs().Cancel(kBen, "mine").status()), "NOT_OWNER");
  EXPECT_EQ(ReasonOf(world.jobs().Suspend(kBen, "mine").status()), "NOT_OWNER");
  EXPECT_EQ(ReasonOf(world.jobs().Resume(kBen, "mine").status()), "NOT_OWNER");
  EXPECT_EQ(ReasonOf(world.jobs().Delete(kBen, "mine")), "NOT_OWNER");
  EXPECT_EQ(ReasonOf(world.jobs().Get(kBen, "nobodys").status()), "JOB_NOT_FOUND");
  EXPECT_TRUE(world.jobs().Cancel(kAdmin, "mine").ok());
}

// What Ana's `request` lists, page after page; leaves it as it was for the first one.
std::vector<std::string> NamesOnAllPages(JobWorld& world, v1::ListJobsRequest& request) {
  std::vector<std::string> names;
  do {
    const auto page = world.jobs().List(JobWorld::kAna, request);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return names;
    for (const v1::Job& job : page->jobs()) names.push_back(job.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return names;
}

TEST(ListJobs, GivesPagesNewestFirstAndRefusesForeignTokens) {
  JobWorld world;
  world.Start();
  for (const char* id : {"job-a", "job-b", "job-c"}) world.Create(id);
  v1::ListJobsRequest request;
  request.set_page_size(2);
  EXPECT_THAT(NamesOnAllPages(world, request),
              ElementsAre("jobs/job-c", "jobs/job-b", "jobs/job-a"));
  request.set_page_token("nonsense");
  EXPECT_EQ(ReasonOf(world.jobs().List(JobWorld::kAna, request).status()), "BAD_PAGE_TOKEN");
}

TEST(ListJobs, PageEndsBeforeAMessageWouldBeTooLarge) {
  JobWorld world;
  world.Start();
  std::vector<std::string> expected;
  for (int i = 0; i < 7; ++i) {
    v1::CreateJobRequest request = JobWorld::Request(absl::StrCat("large-", i));
    // Each less than a message of its own, together more.
    request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset(
        std::string(900'000, 'x'));
    ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
    expected.insert(expected.begin(), absl::StrCat("jobs/large-", i));
  }
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  const auto page = world.jobs().List(JobWorld::kAna, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->jobs_size(), 3);
  EXPECT_LT(page->ByteSizeLong(), size_t{4} << 20);
  EXPECT_EQ(NamesOnAllPages(world, request), expected);
}

TEST(ListJobs, FilterIsAppliedToAllJobsOverAllPages) {
  JobWorld world;
  world.Start();
  for (const char* id : {"blue-1", "red-1", "blue-2", "red-2", "blue-3"}) {
    v1::CreateJobRequest request = JobWorld::Request(id);
    (*request.mutable_job()->mutable_experiment()->mutable_labels())["colour"] =
        std::string(id).substr(0, std::string(id).size() - 2);
    ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  }
  v1::ListJobsRequest request;
  request.set_page_size(2);
  request.set_filter("labels.colour = blue AND state != CANCELLED");
  EXPECT_THAT(NamesOnAllPages(world, request),
              ElementsAre("jobs/blue-3", "jobs/blue-2", "jobs/blue-1"));
  // Whose jobs one may see is not for the filter to say.
  request.set_filter("owner = ana");
  EXPECT_EQ(world.jobs().List(kBen, request)->jobs_size(), 0);
  request.set_filter("colour = blue");
  EXPECT_EQ(ReasonOf(world.jobs().List(JobWorld::kAna, request).status()), "BAD_FILTER");
}

TEST(DeleteJob, TakesEventsAndFoldersWithItOnceTheJobIsOver) {
  JobWorld world;
  world.launcher().Then(TrainOneStep(1));
  world.Start();
  const std::string uid = world.Create("old").uid();
  const v1::Job job = world.WaitForEnd("old");
  ASSERT_TRUE(world.jobs().Delete(JobWorld::kAna, "old").ok());
  EXPECT_EQ(ReasonOf(world.jobs().Get(JobWorld::kAna, "old").status()), "JOB_NOT_FOUND");
  EXPECT_TRUE(world.Events(uid).empty());
  EXPECT_FALSE(FileSystem::Posix().Exists(world.AttemptFolder(job, 1)));
}

TEST(DeleteJob, LiveJobIsRefused) {
  JobWorld world;
  world.Start();
  world.Create("live");
  EXPECT_EQ(ReasonOf(world.jobs().Delete(JobWorld::kAna, "live")), "JOB_NOT_FINISHED");
}

TEST(CreateJob, KeepsWhatARegisteredNameStoodFor) {
  JobWorld world;
  world.options().resolve_dataset = [](const std::string& owner, v1::Data& data) {
    v1::Dataset dataset;
    if (owner != "ana" || data.dataset() != "gz2") return std::optional<v1::Dataset>();
    data.set_dataset("/data/gz2.tar");
    dataset.set_name("datasets/gz2");
    dataset.set_target("shape");
    return std::optional(dataset);
  };
  std::string looked_at;
  world.options().manifest = [&, manifest = world.options().manifest](
                                 const v1::Data& data, const std::optional<v1::Task>& task,
                                 const std::string& owner) {
    looked_at = data.dataset() + " " + task->classification().target();
    return manifest(data, task, owner);
  };
  world.Start();
  v1::CreateJobRequest request = JobWorld::Request("named");
  request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset("gz2");
  ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  EXPECT_EQ(looked_at, "/data/gz2.tar shape");
  world.Restart();
  const v1::Job job = world.Get("named");
  EXPECT_EQ(job.dataset(), "datasets/gz2");
  EXPECT_EQ(job.experiment().data().dataset(), "/data/gz2.tar");
  EXPECT_EQ(job.experiment().task().classification().target(), "shape");
  request = JobWorld::Request("plain");
  ASSERT_TRUE(world.jobs().Create(JobWorld::kAna, request).ok());
  EXPECT_EQ(world.Get("plain").dataset(), "");
}

TEST(UserOf, NamesAJobThatIsNotOverAndNeedsTheModel) {
  JobWorld world;
  world.options().find_model = [](const std::string&, const std::string&) {
    ModelLocation location;
    location.model.set_name("models/gal/versions/2");
    return absl::StatusOr<ModelLocation>(location);
  };
  world.Start();
  v1::CreateJobRequest request;
  request.set_job_id("look");
  v1::Evaluation& evaluation = *request.mutable_job()->mutable_evaluation();
  evaluation.set_model("gal@best");
  evaluation.mutable_data()->set_dataset("/data/galaxies");
  const auto created = world.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->job().evaluation().model(), "models/gal/versions/2");
  EXPECT_EQ(*world.jobs().UserOf("models/gal/versions/2"), "jobs/look");
  EXPECT_EQ(*world.jobs().UserOf("models/gal/versions/1"), "");
  ASSERT_TRUE(world.jobs().Cancel(JobWorld::kAna, "look").ok());
  world.WaitForEnd("look");
  EXPECT_EQ(*world.jobs().UserOf("models/gal/versions/2"), "");
}

TEST(Shutdown, LaterCallsAreToldToTryAgain) {
  JobWorld world;
  world.Start();
  world.jobs().Shutdown();
  EXPECT_EQ(ReasonOf(world.jobs().Create(JobWorld::kAna, JobWorld::Request("late")).status()),
            "DRAINING");
}

}  // namespace
}  // namespace skytrain
