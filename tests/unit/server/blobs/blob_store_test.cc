#include "server/blobs/blob_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "common/digest/digest.h"
#include "common/errors.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/blobs/read_all.h"

namespace skytrain {
namespace {

namespace fs = std::filesystem;
constexpr char kName[] = "models/galaxies-7k2m/versions/1/files/model.safetensors";

class BlobStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Database::Options options;
    options.path = root_ + "/db";
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    models_ = std::make_unique<ModelStore>(root_ + "/models", *database_, FileSystem::Posix(),
                                           Clock::Real());
    auto uploads =
        UploadStore::Open({root_ + "/blobs"}, *database_, FileSystem::Posix(), Clock::Real());
    ASSERT_TRUE(uploads.ok()) << uploads.status();
    uploads_ = *std::move(uploads);
    blobs_ = std::make_unique<BlobStore>(*models_, *uploads_);

    weights_.resize(1'500'000);
    for (size_t i = 0; i < weights_.size(); ++i)
      weights_[i] = static_cast<char>(i * 2654435761u >> 24);
    fs::create_directories(root_ + "/attempt/model");
    std::ofstream(root_ + "/attempt/model/model.safetensors", std::ios::binary) << weights_;
    std::ofstream(root_ + "/attempt/model/model.json") << "{}";
    v1::Job job;
    job.set_name("jobs/galaxies-7k2m");
    job.set_uid("u1");
    job.set_owner("ada");
    const auto model = models_->Publish(job, root_ + "/attempt");
    ASSERT_TRUE(model.ok()) << model.status();
    path_ = models_->DirOf(*model) + "/model.safetensors";
  }

  // All bytes from `offset` on, or an error.
  absl::StatusOr<std::string> Read(int64_t offset) {
    auto reader = blobs_->Open(kName, offset, {"ada"});
    if (!reader.ok()) return reader.status();
    return ReadAll(**reader, offset);
  }

  const TempDir dir_;
  const std::string root_ = dir_.path();
  std::string weights_, path_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ModelStore> models_;
  std::unique_ptr<UploadStore> uploads_;
  std::unique_ptr<BlobStore> blobs_;
};

TEST_F(BlobStoreTest, StatTellsSizeAndDigest) {
  const auto blob = blobs_->Stat(kName, {"ada"});
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(blob->size_bytes(), 1'500'000);
  EXPECT_EQ(blob->sha256(), Sha256Hex(weights_));
}

TEST_F(BlobStoreTest, ReadsFromAnyOffset) {
  for (const int64_t offset : {0, 1, 524'288, 1'499'999, 1'500'000}) {
    const auto got = Read(offset);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_TRUE(*got == weights_.substr(offset)) << offset;
  }
  EXPECT_EQ(ReasonOf(Read(1'500'001).status()), "OFFSET_OUT_OF_RANGE");
  EXPECT_EQ(ReasonOf(Read(-1).status()), "OFFSET_OUT_OF_RANGE");
}

TEST_F(BlobStoreTest, DamagedFileIsNamedAndNeverSentToItsEnd) {
  ASSERT_TRUE(Read(0).ok());
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(700'000);
    file.put('!');
  }
  // The change may fall into the same step of the file system's clock.
  fs::last_write_time(path_, fs::last_write_time(path_) + std::chrono::seconds(1));
  for (const int64_t offset : {0, 600'000}) {
    const auto status = Read(offset).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(ReasonOf(status), "BLOB_CORRUPT");
    EXPECT_NE(status.message().find(kName), absl::string_view::npos) << status;
  }
}

TEST_F(BlobStoreTest, TruncatedAndAbsentFilesAreDamageToo) {
  fs::resize_file(path_, 1000);
  EXPECT_EQ(ReasonOf(Read(0).status()), "BLOB_CORRUPT");
  fs::remove(path_);
  EXPECT_EQ(ReasonOf(Read(0).status()), "BLOB_CORRUPT");
}

// Files of jobs are those that the job names, for those who may see it.
TEST_F(BlobStoreTest, FilesOfAJobAreReadAndCheckedAsOthers) {
  const std::string text = "id,prediction\n1,spiral\n", folder = root_ + "/output";
  fs::create_directories(folder);
  std::ofstream(folder + "/predictions.csv") << text;
  std::ofstream(folder + "/other.csv") << text;
  BlobStore blobs(*models_, *uploads_,
                  [&](const std::string& id,
                      const BlobStore::Reader& reader) -> absl::StatusOr<BlobStore::JobFiles> {
                    if (id != "predict-1" || reader.owner != "ada") {
                      return absl::NotFoundError("no such job");
                    }
                    v1::JobFile file;
                    file.set_name("predictions.csv");
                    file.set_blob("jobs/predict-1/files/predictions.csv");
                    file.set_size_bytes(static_cast<int64_t>(text.size()));
                    file.set_sha256(Sha256Hex(text));
                    return BlobStore::JobFiles{{file}, folder};
                  });
  const char* const name = "jobs/predict-1/files/predictions.csv";
  for (const int64_t offset : {0, 5}) {
    auto reader = blobs.Open(name, offset, {"ada"});
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ(ReadAll(**reader, offset).value_or(""), text.substr(offset));
  }
  EXPECT_EQ(blobs.Stat(name, {"ada"})->sha256(), Sha256Hex(text));
  EXPECT_EQ(ReasonOf(blobs.Stat(name, {"eve"}).status()), "BLOB_NOT_FOUND");
  for (const char* unknown :
       {"jobs/predict-1/files/other.csv", "jobs/predict-1/files/../output/predictions.csv",
        "jobs/predict-2/files/predictions.csv", "jobs/predict-1",
        "jobs/../files/predictions.csv"}) {
    EXPECT_EQ(ReasonOf(blobs.Stat(unknown, {"ada"}).status()), "BLOB_NOT_FOUND") << unknown;
  }
  EXPECT_EQ(ReasonOf(blobs_->Stat(name, {"ada"}).status()), "BLOB_NOT_FOUND");
  std::ofstream(folder + "/predictions.csv") << "id,prediction\n1,smooth\n";
  for (const int64_t offset : {0, 5}) {
    auto reader = blobs.Open(name, offset, {"ada"});
    EXPECT_EQ(ReasonOf(reader.ok() ? ReadAll(**reader, offset).status() : reader.status()),
              "BLOB_CORRUPT");
  }
  fs::remove(folder + "/predictions.csv");
  EXPECT_EQ(ReasonOf(blobs.Open(name, 0, {"ada"}).status()), "BLOB_CORRUPT");
}

TEST_F(BlobStoreTest, OnlyPublishedNamesAreFiles) {
  for (const char* name :
       {"", "models/galaxies-7k2m/versions/1", "models/galaxies-7k2m/versions/1/files/",
        "models/galaxies-7k2m/versions/1/files/../1/model.json",
        "models/galaxies-7k2m/versions/2/files/model.json", "models/other/versions/1/files/x",
        "models/../versions/1/files/model.json", "/etc/passwd", "blobs/", "blobs/../db",
        "blobs/00"}) {
    EXPECT_EQ(ReasonOf(blobs_->Stat(name, {"ada"}).status()), "BLOB_NOT_FOUND") << name;
  }
}

}  // namespace
}  // namespace skytrain
