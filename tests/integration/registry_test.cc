// Data sets and models of a real daemon in shared mode: what one owner keeps does not exist for
// another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "skytrain/v1/dataset_service.grpc.pb.h"
#include "skytrain/v1/model_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/integration/tls_world.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

const std::string kIris = SKYTRAIN_SOURCE_DIR "/tests/data/iris.csv";

// What one owner may call, with plain results.
struct User {
  explicit User(const std::shared_ptr<grpc::Channel>& channel)
      : jobs(channel),
        datasets(v1::DatasetService::NewStub(channel)),
        models(v1::ModelService::NewStub(channel)) {}

  absl::Status Register(const std::string& name, const std::string& path) {
    v1::RegisterDatasetRequest request;
    request.mutable_dataset()->set_name("datasets/" + name);
    request.mutable_dataset()->set_target("Species");
    request.mutable_dataset()->mutable_data()->set_dataset(path);
    v1::Dataset dataset;
    return Call(*datasets, &v1::DatasetService::Stub::RegisterDataset, request, dataset);
  }
  absl::Status GetDataset(const std::string& name) {
    v1::GetDatasetRequest request;
    request.set_name("datasets/" + name);
    v1::Dataset dataset;
    return Call(*datasets, &v1::DatasetService::Stub::GetDataset, request, dataset);
  }
  absl::Status DeleteDataset(const std::string& name) {
    v1::DeleteDatasetRequest request;
    request.set_name("datasets/" + name);
    google::protobuf::Empty empty;
    return Call(*datasets, &v1::DatasetService::Stub::DeleteDataset, request, empty);
  }
  absl::Status Inspect(const std::string& dataset) {
    v1::InspectDatasetRequest request;
    request.mutable_data()->set_dataset(dataset);
    v1::DatasetManifest manifest;
    return Call(*datasets, &v1::DatasetService::Stub::InspectDataset, request, manifest);
  }
  absl::Status Preview(const std::string& dataset) {
    v1::PreviewDatasetRequest request;
    request.mutable_data()->set_dataset(dataset);
    v1::PreviewDatasetResponse response;
    return Call(*datasets, &v1::DatasetService::Stub::PreviewDataset, request, response);
  }
  int CountDatasets() {
    v1::ListDatasetsResponse response;
    EXPECT_TRUE(Call(*datasets, &v1::DatasetService::Stub::ListDatasets, v1::ListDatasetsRequest(),
                     response)
                    .ok());
    return response.datasets_size();
  }
  absl::Status GetModel(const std::string& name) {
    v1::GetModelRequest request;
    request.set_name(name);
    v1::Model model;
    return Call(*models, &v1::ModelService::Stub::GetModel, request, model);
  }
  absl::Status SetAlias(const std::string& name, const std::string& alias) {
    v1::SetModelAliasRequest request;
    request.set_name(name);
    request.set_alias(alias);
    v1::Model model;
    return Call(*models, &v1::ModelService::Stub::SetModelAlias, request, model);
  }
  absl::Status DeleteAlias(const std::string& name) {
    v1::DeleteModelAliasRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return Call(*models, &v1::ModelService::Stub::DeleteModelAlias, request, empty);
  }
  absl::Status DeleteModel(const std::string& name) {
    v1::DeleteModelRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return Call(*models, &v1::ModelService::Stub::DeleteModel, request, empty);
  }
  // A job that publishes a model, once it is over.
  v1::Job Train(const std::string& id) {
    const auto job = jobs.Create({{"fake.model", "1"}}, id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? jobs.Wait(job->name()).value_or(v1::Job()) : v1::Job();
  }

  template <typename Stub, typename Request, typename Response>
  static absl::Status Call(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                           const Request& request, Response& response) {
    grpc::ClientContext context;
    return FromGrpcStatus((stub.*method)(&context, request, &response));
  }

  JobClient jobs;
  std::unique_ptr<v1::DatasetService::Stub> datasets;
  std::unique_ptr<v1::ModelService::Stub> models;
};

class RegistryTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> more = {}) {
    std::vector<std::string> flags = world_.Flags();
    flags.insert(flags.end(), more.begin(), more.end());
    daemon_ = std::make_unique<Daemon>(std::move(flags));
    const absl::Status started = daemon_->Start();
    ASSERT_TRUE(started.ok()) << started;
    ana_ = Connect("ana");
    ben_ = Connect("ben");
    admin_ = Connect("cleo", {"--role", "admin"});
  }
  std::unique_ptr<User> Connect(const std::string& owner,
                                const std::vector<std::string>& more = {}) {
    return std::make_unique<User>(TlsWorld::Connect(
        daemon_->TlsAddress(), world_.Client(TlsWorld::Token(*daemon_, owner, more))));
  }

  const TlsWorld world_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<User> ana_, ben_, admin_;
};

TEST_F(RegistryTest, DataSetsOfOthersDoNotExist) {
  Start();
  ASSERT_TRUE(ana_->Register("flowers", kIris).ok());
  EXPECT_TRUE(ana_->Inspect("flowers").ok());
  EXPECT_EQ(ReasonOf(ben_->GetDataset("flowers")), "DATASET_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ben_->DeleteDataset("flowers")), "DATASET_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ben_->Inspect("flowers")), "DATA_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ben_->Preview("flowers")), "DATA_NOT_FOUND");
  EXPECT_EQ(ben_->CountDatasets(), 0);
  v1::CreateJobRequest request = IrisRequest({});
  request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset("flowers");
  v1::CreateJobResponse response;
  EXPECT_EQ(
      ReasonOf(User::Call(ben_->jobs.stub(), &v1::JobService::Stub::CreateJob, request, response)),
      "DATA_NOT_FOUND");
  // Nor is the name taken.
  ASSERT_TRUE(ben_->Register("flowers", kIris).ok());
  EXPECT_EQ(admin_->CountDatasets(), 2);
  EXPECT_TRUE(ben_->DeleteDataset("flowers").ok());
  EXPECT_TRUE(admin_->DeleteDataset("flowers").ok());
  EXPECT_EQ(ReasonOf(ana_->GetDataset("flowers")), "DATASET_NOT_FOUND");
}

TEST_F(RegistryTest, WhereAllSeeAllEverybodyUsesAndOnlyTheOwnerDeletes) {
  Start({"--jobs-visible-to", "all"});
  ASSERT_TRUE(ana_->Register("flowers", kIris).ok());
  EXPECT_TRUE(ben_->Inspect("flowers").ok());
  EXPECT_EQ(ReasonOf(ben_->DeleteDataset("flowers")), "NOT_OWNER");
  ana_->Train("flowery");
  EXPECT_TRUE(ben_->GetModel("flowery@1").ok());
  EXPECT_EQ(ReasonOf(ben_->SetAlias("flowery@1", "best")), "NOT_OWNER");
  EXPECT_EQ(ReasonOf(ben_->DeleteModel("flowery@1")), "NOT_OWNER");
}

TEST_F(RegistryTest, ModelsOfOthersCannotBeNamedAliasedOrDeleted) {
  Start();
  ASSERT_EQ(ana_->Train("flowery").state(), v1::SUCCEEDED);
  ASSERT_TRUE(ana_->SetAlias("flowery@1", "best").ok());
  EXPECT_TRUE(ana_->GetModel("flowery@best").ok());
  for (const absl::Status& status :
       {ben_->GetModel("flowery@best"), ben_->SetAlias("flowery@1", "mine"),
        ben_->DeleteAlias("flowery@best"), ben_->DeleteModel("flowery@1")}) {
    EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND") << status;
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("aliases are")));
  }
  EXPECT_TRUE(ana_->GetModel("flowery@best").ok());
  EXPECT_TRUE(admin_->DeleteAlias("flowery@best").ok());
  EXPECT_TRUE(admin_->DeleteModel("flowery").ok());
  EXPECT_EQ(ReasonOf(ana_->GetModel("flowery")), "MODEL_NOT_FOUND");
}

TEST_F(RegistryTest, ModelThatAQueuedJobNeedsIsKept) {
  Start({"--cpus", "1"});
  ana_->Train("flowery");
  ASSERT_TRUE(ana_->SetAlias("flowery", "best").ok());
  const auto holder = ana_->jobs.Create({{"fake.hang", "1"}}, "holder");
  ASSERT_TRUE(holder.ok()) << holder.status();
  v1::CreateJobRequest request;
  request.set_job_id("look");
  request.mutable_job()->mutable_evaluation()->set_model("flowery@best");
  request.mutable_job()->mutable_evaluation()->mutable_data()->set_dataset(kIris);
  request.mutable_job()->mutable_evaluation()->mutable_resources()->set_cpus(1);
  v1::CreateJobResponse response;
  const absl::Status created =
      User::Call(ana_->jobs.stub(), &v1::JobService::Stub::CreateJob, request, response);
  ASSERT_TRUE(created.ok()) << created;
  EXPECT_EQ(response.job().evaluation().model(), "models/flowery/versions/1");
  const absl::Status refused = ana_->DeleteModel("flowery@best");
  EXPECT_EQ(ReasonOf(refused), "MODEL_IN_USE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("jobs/look"));
  ASSERT_TRUE(ana_->jobs.Cancel("jobs/look").ok());
  EXPECT_TRUE(ana_->DeleteModel("flowery@best").ok());
  EXPECT_FALSE(std::filesystem::exists(daemon_->WorkDir() + "/models/flowery/1"));
}

TEST_F(RegistryTest, WhatEveryCallAnswersToNonsense) {
  Start();
  EXPECT_EQ(ReasonOf(ana_->Register("Bad Name", kIris)), "BAD_NAME");
  EXPECT_EQ(ReasonOf(ana_->Register("a", "")), "DATA_INVALID");
  EXPECT_EQ(ReasonOf(ana_->Register("a", "/nowhere/at/all")), "DATA_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ana_->GetDataset("../x")), "BAD_NAME");
  EXPECT_EQ(ReasonOf(ana_->DeleteDataset("")), "BAD_NAME");
  EXPECT_EQ(ReasonOf(ana_->Preview(kIris)), "DATA_INVALID");
  EXPECT_EQ(ReasonOf(ana_->DeleteAlias("abc")), "BAD_NAME");
  EXPECT_EQ(ReasonOf(ana_->DeleteModel("no such")), "BAD_NAME");
  EXPECT_EQ(ReasonOf(ana_->SetAlias("abc", "Best")), "BAD_NAME");
}

}  // namespace
}  // namespace skytrain
