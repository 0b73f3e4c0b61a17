// One submission is one job, whatever happens to the calls that ask for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr int kCalls = 100;
constexpr int kConnections = 10;

class SubmissionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemon_.Start();
    ASSERT_TRUE(started.ok()) << started;
    client_ = std::make_unique<JobClient>(daemon_.Connect());
    // Inspects the data set, so that the calls below meet in the store and not at the probe.
    ASSERT_TRUE(client_->Create({}, "first").ok());
  }

  int CountJobs() {
    grpc::ClientContext context;
    v1::ListJobsRequest request;
    v1::ListJobsResponse response;
    request.set_page_size(1000);
    EXPECT_TRUE(client_->stub().ListJobs(&context, request, &response).ok());
    return response.jobs_size();
  }

  // Makes `kCalls` calls at once, over several connections; call i with the request id of `id(i)`.
  std::vector<absl::StatusOr<v1::Job>> CreateAtOnce(
      const std::function<std::string(int)>& request_id) {
    std::vector<std::unique_ptr<JobClient>> clients;
    for (int i = 0; i < kConnections; ++i) {
      clients.push_back(std::make_unique<JobClient>(daemon_.Connect()));
    }
    std::vector<absl::StatusOr<v1::Job>> jobs(kCalls, absl::UnknownError("not called"));
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < kCalls; ++i) {
      threads.emplace_back([&, i] {
        while (!go) std::this_thread::yield();
        jobs[i] = clients[i % kConnections]->Create({}, "", request_id(i));
      });
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
    return jobs;
  }

  Daemon daemon_;
  std::unique_ptr<JobClient> client_;
};

TEST_F(SubmissionTest, HundredCallsWithOneRequestIdMakeOneJob) {
  std::set<std::string> uids;
  for (const auto& job : CreateAtOnce([](int) { return "one"; })) {
    ASSERT_TRUE(job.ok()) << job.status();
    uids.insert(job->uid());
  }
  EXPECT_EQ(uids.size(), 1u);
  EXPECT_EQ(CountJobs(), 2);
}

TEST_F(SubmissionTest, CallsWithIdsOfTheirOwnMakeAJobEach) {
  std::set<std::string> uids;
  for (const auto& job : CreateAtOnce([](int i) { return absl::StrCat("id-", i); })) {
    ASSERT_TRUE(job.ok()) << job.status();
    uids.insert(job->uid());
  }
  EXPECT_EQ(uids.size(), static_cast<size_t>(kCalls));
  EXPECT_EQ(CountJobs(), kCalls + 1);
}

TEST_F(SubmissionTest, RequestAnsweredByAKilledDaemonIsKnownToTheNext) {
  const auto before = client_->Create({}, "", "kept");
  ASSERT_TRUE(before.ok()) << before.status();
  daemon_.Kill();
  ASSERT_TRUE(daemon_.Start().ok());
  JobClient later(daemon_.Connect());
  const auto after = later.Create({}, "", "kept");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->uid(), before->uid());
}

TEST_F(SubmissionTest, RequestOfADeletedJobMakesNoSecondOneAfterARestartEither) {
  const auto before = client_->Create({}, "deleted", "kept");
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(client_->Wait(before->name()).ok());
  grpc::ClientContext context;
  v1::DeleteJobRequest request;
  request.set_name(before->name());
  google::protobuf::Empty nothing;
  const absl::Status deleted =
      FromGrpcStatus(client_->stub().DeleteJob(&context, request, &nothing));
  ASSERT_TRUE(deleted.ok()) << deleted;
  daemon_.Kill();
  ASSERT_TRUE(daemon_.Start().ok());
  JobClient later(daemon_.Connect());
  const absl::Status repeated = later.Create({}, "deleted", "kept").status();
  EXPECT_EQ(ReasonOf(repeated), "JOB_NOT_FOUND") << repeated;
  EXPECT_TRUE(absl::IsNotFound(later.Get(before->name()).status()));
}

}  // namespace
}  // namespace skytrain
