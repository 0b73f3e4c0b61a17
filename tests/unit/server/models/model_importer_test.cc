#include "server/models/model_importer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_bytes.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A worker that is a shell script: $2 is the folder, $4 the file.
class ModelImporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Database::Options options;
    options.path = root_ + "/db";
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    store_ =
        std::make_unique<ModelStore>(root_ + "/models", *database_, FileSystem::Posix(), clock_);
    Write(root_ + "/blob", "weights");
    Make("weights");
  }
  static void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  void Worker(const std::string& body) {
    Write(root_ + "/worker", "#!/bin/sh\necho run >> " + root_ + "/runs\n" + body + "\n");
    chmod((root_ + "/worker").c_str(), 0755);
  }
  // Makes a model of these weights.
  void Make(const std::string& weights) {
    v1::Model answer;
    answer.set_family("resnet18");
    Write(root_ + "/answer", answer.SerializeAsString());
    Write(root_ + "/made/model.safetensors", weights);
    Write(
        root_ + "/made/model.json",
        R"({"family": "resnet18", "classes": ["a", "b"], "parameters": 12, "step": 0, "reports": [],
              "job": "", "source": "a paper", "sha256": ")" +
            Sha256Hex(weights) + "\"}");
    Worker("test \"$4\" = " + root_ + "/blob && cp -r " + root_ + "/made \"$2\"/model && cp " +
           root_ + "/answer \"$2\"/answer.binpb");
  }

  std::unique_ptr<ModelImporter> Importer() {
    ModelImporter::Options options;
    options.worker_binary = root_ + "/worker";
    options.scratch_dir = root_ + "/scratch";
    options.locate_blob = [this](const std::string& owner,
                                 const std::string&) -> absl::StatusOr<std::string> {
      if (owner == "ana" || owner == "ben") return root_ + "/blob";
      return ErrorWithReason(absl::StatusCode::kNotFound, "BLOB_NOT_FOUND", "not yours");
    };
    return std::make_unique<ModelImporter>(options, *store_);
  }
  absl::StatusOr<v1::Model> Import(const v1::ImportModelRequest& request,
                                   const std::string& owner = "ana") {
    return Importer()->Import(request, owner,
                              [](const std::string& id) { return id == "job-7k2m"; });
  }
  static v1::ImportModelRequest Request(const std::string& id = "resnet18") {
    v1::ImportModelRequest request;
    request.set_model_id(id);
    request.set_blob("blobs/" + std::string(64, 'a'));
    request.mutable_architecture()->mutable_resnet();
    request.mutable_image()->set_size(64);
    return request;
  }
  bool ScratchIsEmpty() const {
    return !fs::exists(root_ + "/scratch") || fs::is_empty(root_ + "/scratch");
  }
  bool Ran() const { return fs::exists(root_ + "/runs"); }

  const TempDir dir_;
  const std::string root_ = dir_.path();
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::unique_ptr<Database> database_;
  std::unique_ptr<ModelStore> store_;
};

TEST_F(ModelImporterTest, PublishesWhatTheWorkerMadeAsTheCallersOwn) {
  const auto model = Import(Request());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name(), "models/resnet18/versions/1");
  EXPECT_EQ(model->owner(), "ana");
  EXPECT_EQ(model->job(), "");
  EXPECT_EQ(model->source(), "a paper");
  EXPECT_EQ(model->family(), "resnet18");
  EXPECT_EQ(model->files_size(), 2);
  EXPECT_TRUE(fs::exists(root_ + "/models/resnet18/1/model.safetensors"));
  EXPECT_TRUE(store_->Get("resnet18@1", {"ana", false}).ok());
  EXPECT_FALSE(store_->Get("resnet18@1", {"ben", false}).ok());
  EXPECT_TRUE(ScratchIsEmpty());
}

TEST_F(ModelImporterTest, RepeatedImportIsTheSameVersionAndOtherWeightsTheNext) {
  ASSERT_TRUE(Import(Request()).ok());
  EXPECT_EQ(Import(Request())->name(), "models/resnet18/versions/1");
  Make("other weights");
  EXPECT_EQ(Import(Request())->name(), "models/resnet18/versions/2");
  const auto none = [](const std::string&) -> absl::StatusOr<std::string> { return ""; };
  ASSERT_TRUE(store_->Delete("resnet18@2", {"ana", false}, none).ok());
  EXPECT_EQ(Import(Request())->name(), "models/resnet18/versions/3");
}

TEST_F(ModelImporterTest, NamesOfOthersAndOfJobsAreTaken) {
  ASSERT_TRUE(Import(Request()).ok());
  const auto of_ben = Import(Request(), "ben");
  EXPECT_EQ(ReasonOf(of_ben.status()), "MODEL_TAKEN") << of_ben.status();
  EXPECT_EQ(of_ben.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(Import(Request("job-7k2m")).status()), "MODEL_TAKEN");

  v1::Job job;
  job.set_name("jobs/galaxies-7k2m");
  job.set_uid("u1");
  job.set_owner("ana");
  fs::create_directories(root_ + "/attempt");
  fs::copy(root_ + "/made", root_ + "/attempt/model");
  ASSERT_TRUE(store_->Publish(job, root_ + "/attempt").ok());
  EXPECT_EQ(ReasonOf(Import(Request("galaxies-7k2m")).status()), "MODEL_TAKEN");
  EXPECT_FALSE(*store_->IsImported("galaxies-7k2m"));
  EXPECT_TRUE(*store_->IsImported("resnet18"));
  EXPECT_FALSE(*store_->IsImported("nothing"));
}

TEST_F(ModelImporterTest, DryRunPublishesNothing) {
  v1::ImportModelRequest request = Request();
  request.set_validate_only(true);
  Worker("cp " + root_ + "/answer \"$2\"/answer.binpb");
  const auto model = Import(request);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name(), "");
  EXPECT_EQ(model->family(), "resnet18");
  EXPECT_TRUE(store_->List({}, {"ana", true})->models().empty());
  EXPECT_TRUE(ScratchIsEmpty());
}

TEST_F(ModelImporterTest, ErrorsOfTheWorkerArePassedOn) {
  const absl::Status wrong = BadRequestError("INVALID_MODEL", {{"blob", "is no model"}});
  Write(root_ + "/answer", StatusToBytes(wrong));
  Worker("cp " + root_ + "/answer \"$2\"/answer.binpb; exit 1");
  const absl::Status status = Import(Request()).status();
  EXPECT_EQ(ReasonOf(status), "INVALID_MODEL");
  EXPECT_EQ(ViolationsOf(status)[0].field, "blob");
  EXPECT_TRUE(ScratchIsEmpty());
}

TEST_F(ModelImporterTest, WorkerThatBreaksIsAnErrorWithWhatItSaid) {
  Worker("echo 'no LibTorch here' >&2; exit 127");
  const absl::Status status = Import(Request()).status();
  EXPECT_EQ(ReasonOf(status), "IMPORT_FAILED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("no LibTorch here"));
  Worker("kill -9 $$");
  EXPECT_THAT(std::string(Import(Request()).status().message()), HasSubstr("killed by signal 9"));
  EXPECT_TRUE(ScratchIsEmpty());
}

TEST_F(ModelImporterTest, WhatIsWrongWithTheRequestIsSaidBeforeAWorkerRuns) {
  v1::ImportModelRequest request = Request();
  request.mutable_architecture()->mutable_resnet()->set_depth(3);
  EXPECT_EQ(ReasonOf(Import(request).status()), "INVALID_MODEL");
  request = Request();
  request.set_blob("weights.safetensors");
  EXPECT_EQ(ReasonOf(Import(request).status()), "BAD_NAME");
  EXPECT_EQ(ReasonOf(Import(Request(), "eve").status()), "BLOB_NOT_FOUND");
  EXPECT_FALSE(Ran());
}

TEST_F(ModelImporterTest, StoppingDaemonEndsTheWorker) {
  Worker("sleep 600");
  const auto importer = Importer();
  importer->Shutdown();
  EXPECT_EQ(ReasonOf(importer->Import(Request(), "ana", nullptr).status()), "DRAINING");
}

TEST_F(ModelImporterTest, LeftoversOfADeadDaemonAreRemovedAndNothingElse) {
  Write(root_ + "/scratch/01ABC.import/model.tmp/model.safetensors", "half");
  Write(root_ + "/scratch/01ABC.request", "of a probe");
  Importer();
  EXPECT_FALSE(fs::exists(root_ + "/scratch/01ABC.import"));
  EXPECT_TRUE(fs::exists(root_ + "/scratch/01ABC.request"));
}

}  // namespace
}  // namespace skytrain
