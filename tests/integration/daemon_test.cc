// The daemon as its users see it: a real skytraind, a real shepherd, and a worker that does what
// the test says.
#include "tests/integration/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "skytrain/v1/blob_service.grpc.pb.h"
#include "skytrain/v1/dataset_service.grpc.pb.h"
#include "skytrain/v1/model_service.grpc.pb.h"
#include "skytrain/v1/node_service.grpc.pb.h"

namespace skytrain {
namespace {

namespace fs = std::filesystem;

// Until `done` or a minute is over.
bool WaitFor(const std::function<bool()>& done) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (absl::Now() < deadline) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

void ExpectGapFree(const std::vector<v1::Event>& events, int64_t first_seq = 1) {
  for (size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(events[i].seq(), first_seq + static_cast<int64_t>(i));
  }
}

std::vector<v1::JobState> StatesOf(const std::vector<v1::Event>& events) {
  std::vector<v1::JobState> states;
  for (const v1::Event& event : events) {
    if (event.has_state()) states.push_back(event.state().to());
  }
  return states;
}

class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }

  void Restart() {
    const absl::Status status = daemon_.Start();
    ASSERT_TRUE(status.ok()) << status;
    channel_ = daemon_.Connect();
    client_ = std::make_unique<JobClient>(channel_);
  }

  v1::Job Create(const std::map<std::string, std::string>& labels) {
    const auto job = client_->Create(labels);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(v1::Job());
  }
  v1::Job Wait(const std::string& name) {
    const auto job = client_->Wait(name);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(v1::Job());
  }
  std::vector<v1::Event> Events(const std::string& name, int64_t after_seq = 0, bool follow = true,
                                std::vector<v1::EventKind> kinds = {}) {
    const auto events = client_->Events(name, after_seq, follow, std::move(kinds));
    EXPECT_TRUE(events.ok()) << events.status();
    return events.value_or(std::vector<v1::Event>());
  }
  // Until the job's newest event is `seq` or later.
  bool WaitForSeq(const std::string& name, int64_t seq) {
    return WaitFor([&] {
      const auto job = client_->Get(name);
      return job.ok() && job->last_seq() >= seq;
    });
  }

  Daemon daemon_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<JobClient> client_;
};

TEST_F(DaemonTest, SubmittedJobRunsAndIsFollowedToItsEnd) {
  const v1::Job created = Create({{"epochs", "2"}, {"steps", "5"}});
  EXPECT_EQ(created.state(), v1::QUEUED);
  const auto events = Events(created.name());
  ExpectGapFree(events);
  EXPECT_THAT(StatesOf(events),
              ::testing::ElementsAre(v1::QUEUED, v1::STARTING, v1::RUNNING, v1::SUCCEEDED));
  EXPECT_TRUE(events.back().has_state());
  int points = 0;
  for (const v1::Event& event : events) points += event.metrics().value_size();
  EXPECT_EQ(points, 2 * (5 + 2) + 1);
  const v1::Job ended = Wait(created.name());
  EXPECT_EQ(ended.state(), v1::SUCCEEDED);
  EXPECT_EQ(ended.last_seq(), events.back().seq());
  EXPECT_EQ(ended.metrics().at("test/accuracy"), 0.9);
}

TEST_F(DaemonTest, WatchGoesOnFromAnySeqAlsoInsideABatch) {
  const v1::Job job = Create({{"steps", "20"}, {"epochs", "3"}});
  const auto all = Events(job.name());
  for (int64_t after = 0; after <= all.back().seq(); ++after) {
    const auto rest = Events(job.name(), after);
    ASSERT_EQ(rest.size(), all.size() - after);
    ExpectGapFree(rest, after + 1);
  }
  const auto beyond = client_->Events(job.name(), all.back().seq() + 1);
  EXPECT_EQ(beyond.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(beyond.status()), "SEQ_OUT_OF_RANGE");
}

TEST_F(DaemonTest, WatchKeepsToTheKindsAskedFor) {
  const v1::Job job = Create({{"epochs", "2"}});
  Wait(job.name());
  const auto all = Events(job.name());
  size_t expected = 0;
  for (const v1::Event& event : all) expected += event.has_state() || event.has_checkpoint();
  const auto some = Events(job.name(), 0, true, {v1::STATE, v1::CHECKPOINT});
  EXPECT_EQ(some.size(), expected);
  for (const v1::Event& event : some) EXPECT_TRUE(event.has_state() || event.has_checkpoint());
}

TEST_F(DaemonTest, WatchWithoutFollowEndsAtThePresentEnd) {
  const v1::Job job = Create({{"hang", "1"}});
  ASSERT_TRUE(WaitForSeq(job.name(), 4));
  const auto events = Events(job.name(), 0, false);
  EXPECT_GE(events.size(), 4u);
  ExpectGapFree(events);
}

TEST_F(DaemonTest, QuietStreamSendsItsPosition) {
  const v1::Job job = Create({{"hang", "1"}});
  ASSERT_TRUE(WaitForSeq(job.name(), 4));
  v1::WatchEventsRequest request;
  request.set_name(job.name());
  request.set_follow(true);
  request.add_kinds(v1::REPORT);  // None will come.
  const absl::Time start = absl::Now();
  const absl::Status status = client_->Watch(request, [&](const v1::WatchEventsResponse& response) {
    EXPECT_EQ(response.events_size(), 0);
    EXPECT_GE(response.position(), 4);
    return false;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5.5));
}

TEST_F(DaemonTest, ErrorsCarryTheirReasons) {
  const auto unknown = client_->Get("jobs/nowhere");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(unknown.status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(client_->Events("jobs/nowhere").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(client_->Wait("jobs/nowhere").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(client_->Get("JOBS!").status()), "BAD_NAME");

  v1::CreateJobRequest request = IrisRequest({});
  request.mutable_job()->mutable_experiment()->mutable_train()->set_epochs(-3);
  grpc::ClientContext context;
  v1::CreateJobResponse response;
  const absl::Status invalid =
      FromGrpcStatus(client_->stub().CreateJob(&context, request, &response));
  EXPECT_EQ(ReasonOf(invalid), "INVALID_EXPERIMENT");
  ASSERT_FALSE(ViolationsOf(invalid).empty());
  EXPECT_EQ(ViolationsOf(invalid)[0].field, "train.epochs");
}

TEST_F(DaemonTest, SameRequestIdIsTheSameJob) {
  const auto first = client_->Create({}, "", "request-1");
  const auto again = client_->Create({}, "", "request-1");
  ASSERT_TRUE(first.ok() && again.ok()) << again.status();
  EXPECT_EQ(first->uid(), again->uid());
  EXPECT_EQ(ReasonOf(client_->Create({{"steps", "3"}}, "", "request-1").status()),
            "REQUEST_ID_REUSED");
}

TEST_F(DaemonTest, CancelledJobStopsAndSaysSo) {
  const v1::Job job = Create({{"hang", "1"}});
  ASSERT_TRUE(WaitFor([&] { return client_->Get(job.name())->state() == v1::RUNNING; }));
  const auto stopping = client_->Cancel(job.name());
  ASSERT_TRUE(stopping.ok()) << stopping.status();
  const v1::Job ended = Wait(job.name());
  EXPECT_EQ(ended.state(), v1::CANCELLED);
  EXPECT_TRUE(ended.termination().cancelled());
  EXPECT_EQ(daemon_.PidOf("skytrain-fake-worker"), 0);
  EXPECT_TRUE(client_->Cancel(job.name()).ok()) << "asking again changes nothing";
}

TEST_F(DaemonTest, FinishedJobCannotBeCancelled) {
  const v1::Job job = Create({});
  EXPECT_EQ(Wait(job.name()).state(), v1::SUCCEEDED);
  EXPECT_EQ(ReasonOf(client_->Cancel(job.name()).status()), "JOB_FINISHED");
}

TEST_F(DaemonTest, WaitAnswersAtItsTimeoutWithTheJobAsItIs) {
  const v1::Job job = Create({{"hang", "1"}});
  v1::WaitJobRequest request;
  request.set_name(job.name());
  request.mutable_timeout()->set_nanos(300'000'000);
  grpc::ClientContext context;
  v1::Job answered;
  ASSERT_TRUE(client_->stub().WaitJob(&context, request, &answered).ok());
  EXPECT_LE(answered.state(), v1::RUNNING);
}

TEST_F(DaemonTest, KilledDaemonLosesAndDoublesNothing) {
  const v1::Job job = Create({{"epochs", "30"}, {"steps", "10"}, {"step_ms", "5"}});
  for (int kill_after : {6, 25, 60}) {
    ASSERT_TRUE(WaitForSeq(job.name(), kill_after));
    const int worker = daemon_.PidOf("skytrain-fake-worker");
    EXPECT_NE(worker, 0);
    daemon_.Kill();
    EXPECT_EQ(daemon_.PidOf("skytrain-fake-worker"), worker) << "the worker died with the daemon";
    Restart();
    EXPECT_EQ(daemon_.PidOf("skytrain-fake-worker"), worker);
  }
  const auto events = Events(job.name());
  ExpectGapFree(events);
  int64_t step = 0;
  for (const v1::Event& event : events) {
    EXPECT_LE(event.attempt(), 1);
    const v1::MetricBatch& batch = event.metrics();
    for (int i = 0; i < batch.value_size(); ++i) {
      if (batch.names(batch.name(i)) == "train/loss") {
        ASSERT_EQ(batch.step(i), ++step);
      }
    }
  }
  EXPECT_EQ(step, 300);
  EXPECT_EQ(Wait(job.name()).state(), v1::SUCCEEDED);
}

TEST_F(DaemonTest, JobThatEndedWhileTheDaemonWasDeadIsSettled) {
  const v1::Job job = Create({{"epochs", "2"}, {"steps", "10"}, {"step_ms", "10"}});
  ASSERT_TRUE(WaitForSeq(job.name(), 4));
  daemon_.Kill();
  ASSERT_TRUE(WaitFor([&] { return daemon_.PidOf("skytrain-shepherd") == 0; }));
  Restart();
  EXPECT_EQ(Wait(job.name()).state(), v1::SUCCEEDED);
  ExpectGapFree(Events(job.name()));
}

TEST_F(DaemonTest, KilledWorkerIsFollowedByASecondAttempt) {
  const v1::Job job = Create({{"epochs", "20"}, {"steps", "10"}, {"step_ms", "5"}});
  ASSERT_TRUE(WaitFor([&] {
    const auto events = client_->Events(job.name(), 0, false, {v1::CHECKPOINT});
    return events.ok() && !events->empty();
  }));
  const int worker = daemon_.PidOf("skytrain-fake-worker");
  ASSERT_NE(worker, 0);
  kill(worker, SIGKILL);
  const v1::Job ended = Wait(job.name());
  EXPECT_EQ(ended.state(), v1::SUCCEEDED);
  ASSERT_EQ(ended.attempts_size(), 2);
  EXPECT_EQ(ended.attempts(0).end(), v1::WORKER_CRASHED);
  EXPECT_GT(ended.attempts(1).resumed_from_step(), 0);
  const auto events = Events(job.name());
  ExpectGapFree(events);
  EXPECT_EQ(events.back().attempt(), 2);
}

TEST_F(DaemonTest, DrainEndsStreamsAndLeavesTheJobRunning) {
  const v1::Job job = Create({{"hang", "1"}});
  ASSERT_TRUE(WaitForSeq(job.name(), 4));
  std::atomic<int> seen{0};
  absl::Status watch_end, wait_end;
  std::thread watcher([&] {
    v1::WatchEventsRequest request;
    request.set_name(job.name());
    request.set_follow(true);
    watch_end = client_->Watch(request, [&](const v1::WatchEventsResponse& response) {
      seen += response.events_size();
      return true;
    });
  });
  std::thread waiter([&] { wait_end = client_->Wait(job.name()).status(); });
  ASSERT_TRUE(WaitFor([&] { return seen >= 4; }));
  const absl::Time start = absl::Now();
  EXPECT_EQ(daemon_.Stop(), 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  watcher.join();
  waiter.join();
  EXPECT_EQ(ReasonOf(watch_end), "DRAINING") << watch_end;
  EXPECT_EQ(ReasonOf(wait_end), "DRAINING") << wait_end;
  EXPECT_FALSE(fs::exists(daemon_.SocketPath()));

  const int worker = daemon_.PidOf("skytrain-fake-worker");
  EXPECT_NE(worker, 0);
  Restart();
  EXPECT_EQ(daemon_.PidOf("skytrain-fake-worker"), worker);
  EXPECT_EQ(client_->Get(job.name())->state(), v1::RUNNING);
  ASSERT_TRUE(client_->Cancel(job.name()).ok());
  EXPECT_EQ(Wait(job.name()).state(), v1::CANCELLED);
}

// A worker whose model is `name`@1; the name of its weights.
std::string PublishedWeights(JobClient& client, const v1::Job& job) {
  const auto ended = client.Wait(job.name());
  EXPECT_TRUE(ended.ok()) << ended.status();
  return absl::StrCat(ended->model(), "/files/model.safetensors");
}

absl::StatusOr<std::string> ReadBlob(v1::BlobService::Stub& stub, const std::string& name,
                                     int64_t offset) {
  v1::ReadBlobRequest request;
  request.set_name(name);
  request.set_offset(offset);
  grpc::ClientContext context;
  const auto reader = stub.ReadBlob(&context, request);
  std::string bytes;
  v1::ReadBlobResponse chunk;
  while (reader->Read(&chunk)) {
    EXPECT_EQ(chunk.crc32c(), Crc32c(chunk.data()));
    bytes += chunk.data();
  }
  const absl::Status status = FromGrpcStatus(reader->Finish());
  if (!status.ok()) return status;
  return bytes;
}

TEST_F(DaemonTest, PublishedModelIsFoundAndFetchedFromAnyOffset) {
  const v1::Job job = Create({});
  const std::string weights = PublishedWeights(*client_, job);
  const auto models = v1::ModelService::NewStub(channel_);
  grpc::ClientContext context;
  v1::GetModelRequest get;
  get.set_name(Wait(job.name()).model());
  v1::Model model;
  ASSERT_TRUE(models->GetModel(&context, get, &model).ok());
  EXPECT_EQ(model.job(), job.name());
  EXPECT_EQ(model.family(), "mlp");

  const auto blobs = v1::BlobService::NewStub(channel_);
  const auto whole = ReadBlob(*blobs, weights, 0);
  ASSERT_TRUE(whole.ok()) << whole.status();
  grpc::ClientContext stat_context;
  v1::StatBlobRequest stat;
  stat.set_name(weights);
  v1::Blob blob;
  ASSERT_TRUE(blobs->StatBlob(&stat_context, stat, &blob).ok());
  EXPECT_EQ(blob.sha256(), Sha256Hex(*whole));
  EXPECT_EQ(ReadBlob(*blobs, weights, 10).value(), whole->substr(10));
  EXPECT_EQ(ReasonOf(ReadBlob(*blobs, weights, 1 << 20).status()), "OFFSET_OUT_OF_RANGE");
  EXPECT_EQ(ReasonOf(ReadBlob(*blobs, "models/x/versions/1/files/y", 0).status()),
            "BLOB_NOT_FOUND");
}

TEST_F(DaemonTest, DamagedModelIsNamed) {
  const std::string weights = PublishedWeights(*client_, Create({}));
  for (const auto& entry : fs::recursive_directory_iterator(daemon_.WorkDir() + "/models")) {
    if (entry.path().filename() != "model.safetensors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('!');
  }
  const auto blobs = v1::BlobService::NewStub(channel_);
  const auto damaged = ReadBlob(*blobs, weights, 0);
  EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(damaged.status()), "BLOB_CORRUPT");
  EXPECT_TRUE(absl::StrContains(damaged.status().message(), weights)) << damaged.status();
}

TEST_F(DaemonTest, TellsWhoCallsAndWhatItHas) {
  const auto nodes = v1::NodeService::NewStub(channel_);
  grpc::ClientContext info_context;
  v1::ServerInfo info;
  ASSERT_TRUE(nodes->GetServerInfo(&info_context, {}, &info).ok());
  EXPECT_FALSE(info.version().empty());
  EXPECT_FALSE(info.caller().empty());
  const v1::Job job = Create({{"hang", "1"}});
  ASSERT_TRUE(WaitForSeq(job.name(), 4));
  grpc::ClientContext devices_context;
  v1::ListDevicesResponse devices;
  ASSERT_TRUE(nodes->ListDevices(&devices_context, {}, &devices).ok());
  int held = 0;
  for (const v1::Device& device : devices.devices()) held += device.job() == job.name();
  EXPECT_EQ(held, 1);
}

TEST_F(DaemonTest, SecondDaemonIsRefusedOnTheSameSocketAndOnTheSameState) {
  const absl::Status same_socket = Daemon({}, daemon_.SocketPath()).Start();
  EXPECT_TRUE(absl::StrContains(same_socket.message(), "another skytraind")) << same_socket;
  const absl::Status same_state = Daemon({"--state-dir", daemon_.root() + "/state"}).Start();
  EXPECT_TRUE(absl::StrContains(same_state.message(), "in use")) << same_state;
  EXPECT_TRUE(client_->Create({}).ok());
}

}  // namespace
}  // namespace skytrain
