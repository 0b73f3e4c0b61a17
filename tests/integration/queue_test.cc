// The queue as its users see it: real daemon, real shepherd, fake worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "absl/time/clock.h"
#include "common/grpc/status.h"
#include "common/timestamp.h"
#include "grpcpp/client_context.h"
#include "skytrain/v1/node_service.grpc.pb.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

class QueueTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--cpus", "2", "--max-priority", "10"});
    daemon_ = std::make_unique<Daemon>(flags);
    const absl::Status status = daemon_->Start();
    ASSERT_TRUE(status.ok()) << status;
    client_ = std::make_unique<JobClient>(daemon_->Connect());
    nodes_ = v1::NodeService::NewStub(daemon_->Connect());
  }

  v1::Job Create(
      const std::string& id, const std::map<std::string, std::string>& labels,
      const std::function<void(v1::Experiment&)>& change = [](v1::Experiment&) {}) {
    v1::CreateJobRequest request = IrisRequest(labels);
    request.set_job_id(id);
    change(*request.mutable_job()->mutable_experiment());
    grpc::ClientContext context;
    v1::CreateJobResponse response;
    const grpc::Status status = client_->stub().CreateJob(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.job();
  }

  v1::Job WaitUntil(const std::string& id, const std::function<bool(const v1::Job&)>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    v1::Job job;
    do {
      if (auto now = client_->Get("jobs/" + id); now.ok()) job = *std::move(now);
      if (condition(job)) return job;
      absl::SleepFor(absl::Milliseconds(5));
    } while (absl::Now() < deadline);
    ADD_FAILURE() << job.DebugString();
    return job;
  }

  v1::Job WaitForState(const std::string& id, v1::JobState state) {
    return WaitUntil(id, [state](const v1::Job& job) { return job.state() == state; });
  }

  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<JobClient> client_;
  std::unique_ptr<v1::NodeService::Stub> nodes_;
};

// On the whole node.
void Preemptible(v1::Experiment& experiment) {
  experiment.mutable_resources()->set_cpus(2);
  experiment.mutable_queue()->set_preemptible(true);
}

TEST_F(QueueTest, PreemptedJobWritesACheckpointAndGoesOnFromIt) {
  Start({});
  Create("victim", {{"epochs", "3"}, {"steps", "100"}, {"step_ms", "3"}}, Preemptible);
  WaitUntil("victim", [](const v1::Job& job) { return job.progress().step() > 10; });
  Create("urgent", {{"epochs", "1"}},
         [](v1::Experiment& experiment) { experiment.mutable_queue()->set_priority(10); });
  const v1::Job urgent = WaitForState("urgent", v1::SUCCEEDED);
  const v1::Job victim = WaitForState("victim", v1::SUCCEEDED);
  ASSERT_EQ(victim.attempts_size(), 2);
  EXPECT_EQ(victim.attempts(0).end(), v1::PREEMPTED);
  EXPECT_GT(victim.attempts(1).resumed_from_step(), 0);
  EXPECT_LE(ToTime(urgent.attempts(0).end_time()), ToTime(victim.attempts(1).start_time()));
}

TEST_F(QueueTest, ShortJobPassesALargeOneByItsTimeLimit) {
  Start({});
  const auto limited = [](int cpus, int seconds) {
    return [cpus, seconds](v1::Experiment& experiment) {
      experiment.mutable_resources()->set_cpus(cpus);
      if (seconds > 0) experiment.mutable_limits()->mutable_time()->set_seconds(seconds);
    };
  };
  Create("runs", {{"hang", "1"}}, limited(1, 600));
  WaitForState("runs", v1::RUNNING);
  Create("large", {{"epochs", "1"}}, limited(2, 0));
  Create("endless", {{"epochs", "1"}}, limited(1, 0));
  Create("short", {{"epochs", "1"}}, limited(1, 60));
  WaitForState("short", v1::SUCCEEDED);
  const v1::Job large = WaitUntil("large", [](const v1::Job& job) {
    return job.queue_position() == 1 && job.has_expected_start_time();
  });
  EXPECT_THAT(large.queue_reason(), HasSubstr("waits for 2 CPU slots (1 free; runs ends about"));
  EXPECT_EQ(client_->Get("jobs/endless")->state(), v1::QUEUED);

  grpc::ClientContext context;
  v1::GetQueueResponse queue;
  ASSERT_TRUE(nodes_->GetQueue(&context, {}, &queue).ok());
  ASSERT_EQ(queue.entries_size(), 2);
  EXPECT_EQ(queue.entries(0).job(), "jobs/large");
  EXPECT_EQ(queue.entries(1).job(), "jobs/endless");
  EXPECT_EQ(queue.entries(1).reason(), "waits for 1 CPU slot, after large");

  ASSERT_TRUE(client_->Cancel("jobs/runs").ok());
  WaitForState("large", v1::SUCCEEDED);
  WaitForState("endless", v1::SUCCEEDED);
}

// The driver's library is a fake, found as the real one would be.
TEST_F(QueueTest, GpuThatSomebodyElseUsesIsNotHandedOut) {
  const std::string script = ::testing::TempDir() + "/skytrain-fake-nvml";
  const auto write = [&script](const std::string& text) {
    std::ofstream(script + ".new") << text;
    std::filesystem::rename(script + ".new", script);
  };
  write("gpu H100 80000000000 5000000000\nprocess 999999999 5000000000\n");
  setenv("SKYTRAIN_FAKE_NVML", script.c_str(), 1);
  setenv("LD_LIBRARY_PATH", SKYTRAIN_FAKE_NVML_DIR, 1);
  Start({});
  Create("trains", {{"epochs", "1"}}, [](v1::Experiment& experiment) {
    experiment.mutable_resources()->clear_cpus();
    experiment.mutable_resources()->set_gpus(1);
  });
  const v1::Job waits =
      WaitUntil("trains", [](const v1::Job& job) { return !job.queue_reason().empty(); });
  EXPECT_EQ(waits.queue_reason(), "waits for 1 GPU (0 free; gpu:0 in use by pid 999999999)");
  grpc::ClientContext context;
  v1::ListDevicesResponse devices;
  ASSERT_TRUE(nodes_->ListDevices(&context, {}, &devices).ok());
  EXPECT_EQ(devices.devices(0).model(), "H100");
  EXPECT_EQ(devices.devices(0).unavailable(), "in use by pid 999999999");
  write("gpu H100 80000000000 0\n");
  WaitForState("trains", v1::SUCCEEDED);
  unsetenv("LD_LIBRARY_PATH");
}

}  // namespace
}  // namespace skytrain
