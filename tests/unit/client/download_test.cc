#include "client/api/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "tests/unit/client/fake_server.h"

namespace skytrain::client {
namespace {

using ::testing::ElementsAre;

class DownloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 12'345; ++i) bytes_ += static_cast<char>(i * 7 % 251);
    server_.SetBlob(bytes_);
    dir_ = std::filesystem::path(::testing::TempDir()) /
           absl::StrCat("download-", getpid(), "-",
                        ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(dir_);
    path_ = dir_ / "model.safetensors";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  absl::Status Run() {
    Client client(server_.target(), interrupt_);
    DownloadOptions options;
    options.blob = "models/a/versions/1/files/model.safetensors";
    options.path = path_;
    options.size = static_cast<int64_t>(bytes_.size());
    options.sha256 = Sha256Hex(bytes_);
    options.backoff = Backoff(absl::Milliseconds(1), absl::Milliseconds(2), 1);
    return Download(client, std::move(options));
  }
  std::string Content() {
    std::ifstream file(path_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  bool Exists(const char* suffix) { return std::filesystem::exists(path_.string() + suffix); }

  FakeServer server_;
  Interrupt interrupt_;
  std::string bytes_;
  std::filesystem::path dir_;
  std::filesystem::path path_;
};

TEST_F(DownloadTest, WritesTheWholeFileUnderItsName) {
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Content(), bytes_);
  EXPECT_FALSE(Exists(".part"));
}

TEST_F(DownloadTest, BrokenStreamGoesOnAtItsOffset) {
  server_.Play({{.messages = 3, .end = absl::UnavailableError("reset")},
                {.messages = 2, .end = absl::UnavailableError("reset")}});
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Content(), bytes_);
  EXPECT_THAT(server_.Starts(), ElementsAre(0, 3000, 5000));
}

TEST_F(DownloadTest, EarlierPartIsKept) {
  std::ofstream(path_.string() + ".part", std::ios::binary) << bytes_.substr(0, 7000);
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Content(), bytes_);
  EXPECT_THAT(server_.Starts(), ElementsAre(7000));
}

TEST_F(DownloadTest, PartOfAnotherFileIsThrownAway) {
  std::ofstream(path_.string() + ".part", std::ios::binary) << std::string(7000, 'x');
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Content(), bytes_);
  EXPECT_THAT(server_.Starts(), ElementsAre(7000, 0));
}

TEST_F(DownloadTest, DamagedChunkIsAskedForAgain) {
  server_.Play({{.damage = true}});
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Content(), bytes_);
  EXPECT_THAT(server_.Starts(), ElementsAre(0, 0));
}

TEST_F(DownloadTest, OtherBytesThanNamedAreDataLossAndLeaveNothing) {
  std::string other = bytes_;
  other[100] ^= 1;
  server_.SetBlob(other);
  const absl::Status status = Run();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(ReasonOf(status), "BLOB_CORRUPT");
  EXPECT_FALSE(Exists("") || Exists(".part"));
}

TEST_F(DownloadTest, LongerBlobThanNamedIsDataLoss) {
  server_.SetBlob(bytes_ + std::string(5000, 'x'));
  EXPECT_TRUE(absl::IsDataLoss(Run()));
}

TEST_F(DownloadTest, ServersDataLossIsFinal) {
  server_.Play({{.messages = 1,
                 .end = ErrorWithReason(absl::StatusCode::kDataLoss, "BLOB_CORRUPT", "bad disk")}});
  EXPECT_EQ(Run().message(), "bad disk");
  EXPECT_EQ(server_.Starts().size(), 1u);
}

}  // namespace
}  // namespace skytrain::client
