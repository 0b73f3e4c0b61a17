// What any gRPC client may expect of the server: reflection, health, limits, unknown methods.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "common/grpc/channel.h"
#include "common/timestamp.h"
#include "grpcpp/create_channel.h"
#include "skytrain/v1/node_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/integration/raw_call.h"
#include "tests/support/eventually.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

class HygieneTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon_ = new Daemon;
    const absl::Status started = daemon_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }
  static void TearDownTestSuite() { delete daemon_; }

  std::shared_ptr<grpc::Channel> channel_ = daemon_->Connect();
  static Daemon* daemon_;
};
Daemon* HygieneTest::daemon_ = nullptr;

TEST_F(HygieneTest, ReflectionListsEveryService) {
  const auto services = RawStreamCall(channel_, kReflection, "\x3a\x01*");  // list_services
  ASSERT_TRUE(services.ok()) << services.status();
  for (const char* name :
       {"skytrain.v1.JobService", "skytrain.v1.ModelService", "skytrain.v1.BlobService",
        "skytrain.v1.DatasetService", "skytrain.v1.NodeService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(*services, HasSubstr(name));
  }
}

TEST_F(HygieneTest, ReflectionGivesTheFileOfASymbolSoThatGenericClientsCanCall) {
  const std::string symbol = "skytrain.v1.JobService";
  const auto file =
      RawStreamCall(channel_, kReflection,  // file_containing_symbol
                    "\x22" + std::string(1, static_cast<char>(symbol.size())) + symbol);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(*file, HasSubstr("skytrain/v1/job_service.proto"));
  EXPECT_THAT(*file, HasSubstr("WatchEvents"));
}

TEST_F(HygieneTest, ServerInfoTellsAgePhaseTimeAndDisk) {
  grpc::ClientContext context;
  v1::ServerInfo info;
  const auto stub = v1::NodeService::NewStub(channel_);
  ASSERT_TRUE(stub->GetServerInfo(&context, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_EQ(info.api_minor(), 3);
  EXPECT_THAT(info.capabilities(),
              ::testing::UnorderedElementsAre("suspend", "queue", "filter", "upload", "metrics",
                                              "metric_stride", "gc", "datasets", "import"));
  EXPECT_EQ(info.phase(), v1::ServerInfo::PHASE_SERVING);
  EXPECT_LT(absl::AbsDuration(absl::Now() - ToTime(info.time())), absl::Minutes(1));
  EXPECT_GT(info.disk().total_bytes(), info.disk().free_bytes());
  EXPECT_GT(info.disk().free_bytes(), 0);
  EXPECT_FALSE(info.disk().full());
}

TEST_F(HygieneTest, UnknownMethodsAndServicesAreUnimplemented) {
  for (const char* method : {"/skytrain.v1.JobService/Teleport", "/skytrain.v9.JobService/GetJob",
                             "/nonsense", "/a/b/c"}) {
    EXPECT_EQ(RawUnaryCall(channel_, method, "").status().code(), absl::StatusCode::kUnimplemented)
        << method;
  }
}

TEST_F(HygieneTest, RequestThatIsNoProtoIsAnErrorOfTheCallAlone) {
  const auto garbage = RawUnaryCall(channel_, "/skytrain.v1.JobService/GetJob", "\xff\xff\xff");
  EXPECT_FALSE(garbage.ok());
  EXPECT_EQ(HealthOf(channel_, "").value_or("gone"), "SERVING");
}

TEST_F(HygieneTest, MessageOverTheLimitIsRefusedOnBothSidesNamingBothSizes) {
  const std::string large(kMaxMessageBytes + 1, 'x');
  const std::string method = "/skytrain.v1.JobService/GetJob";
  // Our own clients do not even send it.
  const absl::Status ours = RawUnaryCall(channel_, method, large).status();
  EXPECT_EQ(ours.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(ours.message()), HasSubstr("4194305 vs. 4194304"));
  // A client without the limit is told by the server.
  grpc::ChannelArguments unlimited;
  unlimited.SetMaxSendMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel("unix:" + daemon_->SocketPath(),
                                                 grpc::InsecureChannelCredentials(), unlimited);
  const absl::Status theirs = RawUnaryCall(channel, method, large).status();
  EXPECT_EQ(theirs.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(theirs.message()), HasSubstr("4194305 vs. 4194304"));
}

TEST_F(HygieneTest, HeadersOverTheLimitAreRefusedAndTheChannelGoesOn) {
  JobClient client(channel_);
  grpc::ClientContext context;
  context.AddMetadata("x-large", std::string(64 << 10, 'x'));
  v1::ListJobsResponse response;
  const grpc::Status status = client.stub().ListJobs(&context, v1::ListJobsRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  // Now and then gRPC closes the connection as well, and the channel makes another.
  EXPECT_TRUE(Eventually([&] { return HealthOf(channel_, "").value_or("gone") == "SERVING"; }));
}

TEST_F(HygieneTest, ManyStreamsOnOneConnectionAreAllServed) {
  JobClient client(channel_);
  const auto job = client.Create({{"hang", "1"}});
  ASSERT_TRUE(job.ok()) << job.status();
  v1::WatchEventsRequest request;
  request.set_name(job->name());
  request.set_follow(true);
  constexpr int kStreams = 300;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>>> streams;
  for (int i = 0; i < kStreams; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(client.stub().WatchEvents(contexts.back().get(), request));
  }
  for (int i = 0; i < kStreams; ++i) {
    v1::WatchEventsResponse response;
    EXPECT_TRUE(streams[i]->Read(&response)) << i;
    contexts[i]->TryCancel();
    streams[i]->Finish();
  }
}

}  // namespace
}  // namespace skytrain
