#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  TempDir dir_;
  FileSystem& fs_ = FileSystem::Posix();
};

TEST_F(PosixFileSystemTest, AppendsToNewAndToOldFilesAndKnowsTheirSize) {
  const std::string path = dir_.File("file");
  {
    auto file = fs_.CreateExclusive(path);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Append("ab").ok());
    ASSERT_TRUE((*file)->Append("").ok());
    EXPECT_EQ((*file)->size(), 2u);
    EXPECT_TRUE((*file)->Sync().ok());
    EXPECT_TRUE((*file)->Close().ok());
    EXPECT_TRUE((*file)->Close().ok());
  }
  auto file = fs_.OpenAppend(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->size(), 2u);
  ASSERT_TRUE((*file)->Append("cd").ok());
  EXPECT_EQ(ReadWhole(path), "abcd");
}

TEST_F(PosixFileSystemTest, ErrorsAreToldApartAndNameTheFile) {
  const std::string missing = dir_.File("no/such");
  const std::string there = dir_.File("there");
  WriteWhole(there, "x");
  const std::vector<std::pair<absl::Status, absl::StatusCode>> cases = {
      {fs_.CreateExclusive(there).status(), absl::StatusCode::kAlreadyExists},
      {fs_.CreateExclusive(missing).status(), absl::StatusCode::kNotFound},
      {fs_.OpenAppend(missing).status(), absl::StatusCode::kNotFound},
      {fs_.Rename(missing, there), absl::StatusCode::kNotFound},
      {fs_.Remove(missing), absl::StatusCode::kNotFound},
      {fs_.CreateDir(there), absl::StatusCode::kAlreadyExists},
      {fs_.SyncDir(missing), absl::StatusCode::kNotFound},
      {fs_.ReadFile(missing, 10).status(), absl::StatusCode::kNotFound},
      {fs_.ListDir(missing).status(), absl::StatusCode::kNotFound},
  };
  for (const auto& [status, code] : cases) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(dir_.path()));
  }
}

TEST_F(PosixFileSystemTest, OnlyAFullDiskOrQuotaIsResourceExhausted) {
  EXPECT_TRUE(absl::IsResourceExhausted(PosixError(ENOSPC, "write", "f")));
  EXPECT_TRUE(absl::IsResourceExhausted(PosixError(EDQUOT, "write", "f")));
  EXPECT_TRUE(absl::IsUnavailable(PosixError(EMFILE, "open", "f")));
  EXPECT_TRUE(absl::IsPermissionDenied(PosixError(EACCES, "open", "f")));
}

TEST_F(PosixFileSystemTest, AFullDeviceIsResourceExhausted) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full here";
  auto file = fs_.OpenAppend("/dev/full");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(absl::IsResourceExhausted((*file)->Append("x")));
}

TEST_F(PosixFileSystemTest, FilesLargerThanAllowedAreNotRead) {
  const std::string path = dir_.File("file");
  WriteWhole(path, std::string(100000, 'x'));
  EXPECT_EQ(fs_.ReadFile(path, 100000).value().size(), 100000u);
  EXPECT_TRUE(absl::IsOutOfRange(fs_.ReadFile(path, 99999).status()));
}

TEST_F(PosixFileSystemTest, ListsNamesInOrder) {
  for (const char* name : {"b", "a", ".c"}) WriteWhole(dir_.File(name), "");
  EXPECT_THAT(fs_.ListDir(dir_.path()).value(), ElementsAre(".c", "a", "b"));
}

TEST_F(PosixFileSystemTest, RemovesTreesButNotWhatLinksPointTo) {
  ASSERT_TRUE(fs_.CreateDir(dir_.File("tree")).ok());
  ASSERT_TRUE(fs_.CreateDir(dir_.File("tree/sub")).ok());
  WriteWhole(dir_.File("tree/sub/file"), "x");
  WriteWhole(dir_.File("kept"), "x");
  ASSERT_EQ(symlink(dir_.File("kept").c_str(), dir_.File("tree/link").c_str()), 0);
  EXPECT_TRUE(fs_.RemoveTree(dir_.File("tree")).ok());
  EXPECT_FALSE(fs_.Exists(dir_.File("tree")));
  EXPECT_TRUE(fs_.Exists(dir_.File("kept")));
  EXPECT_TRUE(fs_.RemoveTree(dir_.File("tree")).ok());
}

}  // namespace
}  // namespace skytrain
