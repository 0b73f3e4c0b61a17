#include "common/file/owner_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/file/file_identity.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;

constexpr uid_t kUser = 61'001, kOther = 61'002;  // Nobody has to have these.

// attempts/mine belongs to kUser; secret, and folders of others, are what he should not get at.
class OwnerFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    chmod(dir_.path().c_str(), 0711);
    MakeFolder(attempts_, 0, 0711);
    MakeFolder(attempts_ + "/.trash", 0, 0700);
    MakeFolder(mine_, kUser, 0700);
    MakeFolder(dir_.File("others"), kOther, 0700);
    WriteText(dir_.File("others/diary"), "private", kOther, 0600);
    WriteText(dir_.File("secret"), "root's own", 0, 0600);
  }
  static void MakeFolder(const std::string& path, uid_t owner, mode_t mode) {
    ASSERT_EQ(mkdir(path.c_str(), mode), 0);
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    ASSERT_EQ(chown(path.c_str(), owner, owner), 0);
  }
  void WriteText(const std::string& path, const std::string& text, uid_t owner, mode_t mode) {
    ASSERT_TRUE(WriteFileAtomically(FileSystem::Posix(), path, text).ok());
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    ASSERT_EQ(chown(path.c_str(), owner, owner), 0);
  }

  TempDir dir_;
  const std::string attempts_ = dir_.File("attempts");
  const std::string mine_ = attempts_ + "/mine";
  OwnerFileSystem fs_{FileSystem::Posix(), {attempts_, attempts_ + "/.trash"}};
};

TEST_F(OwnerFileSystemTest, WhatIsMadeInAUsersFolderIsTheUsers) {
  ASSERT_TRUE(WriteFileAtomically(fs_, mine_ + "/control", "stop").ok());
  ASSERT_TRUE(fs_.CreateDir(mine_ + "/checkpoints").ok());
  EXPECT_EQ(fs_.Info(mine_ + "/control")->uid, kUser);
  EXPECT_EQ(fs_.Info(mine_ + "/checkpoints")->uid, kUser);
  EXPECT_EQ(*fs_.ReadFile(mine_ + "/control", 100), "stop");
  EXPECT_THAT(*fs_.ListDir(mine_), ElementsAre("checkpoints", "control"));
  // And what is made beside it is root's, as before.
  ASSERT_TRUE(fs_.CreateDir(attempts_ + "/new").ok());
  EXPECT_EQ(fs_.Info(attempts_ + "/new")->uid, 0u);
}

TEST_F(OwnerFileSystemTest, LinkLeadsNowhereTheUserCouldNotGo) {
  for (const char* target : {"secret", "others/diary"}) {
    std::filesystem::create_symlink(dir_.File(target), mine_ + "/exit.binpb");
    EXPECT_FALSE(fs_.ReadFile(mine_ + "/exit.binpb", 100).ok());
    EXPECT_FALSE(fs_.Open(mine_ + "/exit.binpb", FileSystem::Access::kReadWrite).ok());
    EXPECT_FALSE(fs_.Truncate(mine_ + "/exit.binpb", 0).ok());
    EXPECT_FALSE(fs_.CreateExclusive(mine_ + "/exit.binpb").ok());
    std::filesystem::remove(mine_ + "/exit.binpb");
  }
  // A folder on the way, which no O_NOFOLLOW sees.
  std::filesystem::create_symlink(dir_.File("others"), mine_ + "/checkpoints");
  EXPECT_FALSE(fs_.ReadFile(mine_ + "/checkpoints/diary", 100).ok());
  EXPECT_FALSE(fs_.ListDir(mine_ + "/checkpoints").ok());
  EXPECT_FALSE(fs_.Exists(mine_ + "/checkpoints/diary"));
  EXPECT_FALSE(fs_.Remove(mine_ + "/checkpoints/diary").ok());
  EXPECT_FALSE(fs_.Rename(mine_ + "/checkpoints/diary", mine_ + "/diary").ok());
  EXPECT_FALSE(fs_.RemoveTree(mine_ + "/checkpoints/diary").ok());
  EXPECT_EQ(*FileSystem::Posix().ReadFile(dir_.File("others/diary"), 100), "private");
}

TEST_F(OwnerFileSystemTest, HardLinkToASecretStaysUnreadable) {
  std::filesystem::create_hard_link(dir_.File("secret"), mine_ + "/model.json");
  EXPECT_TRUE(absl::IsPermissionDenied(fs_.ReadFile(mine_ + "/model.json", 100).status()));
}

TEST_F(OwnerFileSystemTest, FifoFolderAndDeviceAreNotWaitedFor) {
  ASSERT_EQ(mkfifo((mine_ + "/fifo").c_str(), 0666), 0);
  ASSERT_EQ(mkdir((mine_ + "/folder").c_str(), 0777), 0);
  std::filesystem::create_symlink("/dev/zero", mine_ + "/device");
  auto looked = std::async(std::launch::async, [this] {
    for (const char* name : {"fifo", "folder", "device"}) {
      EXPECT_TRUE(
          absl::IsFailedPrecondition(fs_.ReadFile(absl::StrCat(mine_, "/", name), 100).status()))
          << name;
    }
  });
  ASSERT_EQ(looked.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(OwnerFileSystemTest, NothingOfAUsersBecomesANameElsewhere) {
  WriteText(mine_ + "/model", "bytes", kUser, 0600);
  EXPECT_TRUE(absl::IsFailedPrecondition(fs_.Link(mine_ + "/model", dir_.File("published"))));
  EXPECT_TRUE(absl::IsFailedPrecondition(fs_.Link(dir_.File("secret"), mine_ + "/secret")));
  EXPECT_TRUE(absl::IsFailedPrecondition(fs_.Rename(mine_ + "/model", dir_.File("published"))));
  EXPECT_FALSE(fs_.ReadFile(mine_ + "/../../secret", 100).ok());
  ASSERT_TRUE(CopyFile(fs_, mine_ + "/model", dir_.File("published"), 5).ok());
  EXPECT_EQ(fs_.Info(dir_.File("published"))->uid, 0u);
  EXPECT_TRUE(absl::IsOutOfRange(CopyFile(fs_, mine_ + "/model", dir_.File("short"), 4)));
  EXPECT_FALSE(fs_.Exists(dir_.File("short")));
}

TEST_F(OwnerFileSystemTest, RemovingAFolderTakesWhatIsTheUsersAndNoMore) {
  std::filesystem::create_directory_symlink(dir_.File("others"), mine_ + "/checkpoints");
  // Closed to its own owner.
  MakeFolder(mine_ + "/closed", kUser, 0700);
  WriteText(mine_ + "/closed/file", "x", kUser, 0600);
  chmod((mine_ + "/closed").c_str(), 0);
  const std::string trash = attempts_ + "/.trash/1";
  ASSERT_TRUE(fs_.Rename(mine_, trash).ok());
  const absl::Status removed = fs_.RemoveTree(attempts_ + "/.trash");
  EXPECT_TRUE(removed.ok()) << removed;
  EXPECT_FALSE(fs_.Exists(attempts_ + "/.trash"));
  EXPECT_EQ(*FileSystem::Posix().ReadFile(dir_.File("others/diary"), 100), "private");
}

TEST_F(OwnerFileSystemTest, FolderThatHoldsSomebodyElsesThingsStays) {
  // Moved in by a user who may write where they lay.
  MakeFolder(mine_ + "/theirs", kOther, 0700);
  WriteText(mine_ + "/theirs/diary", "private", kOther, 0600);
  EXPECT_FALSE(fs_.RemoveTree(mine_).ok());
  EXPECT_EQ(*FileSystem::Posix().ReadFile(mine_ + "/theirs/diary", 100), "private");
}

TEST_F(OwnerFileSystemTest, IdentityIsTakenByOneThreadAndGivenBack) {
  std::promise<void> taken;
  std::thread another([&, ready = taken.get_future()]() mutable {
    ready.wait();
    EXPECT_TRUE(FileSystem::Posix().ReadFile(dir_.File("secret"), 100).ok());
  });
  {
    const ScopedFileIdentity identity({kUser, kUser, {kOther}});
    EXPECT_TRUE(identity.status().ok()) << identity.status();
    EXPECT_FALSE(FileSystem::Posix().ReadFile(dir_.File("secret"), 100).ok());
    taken.set_value();
    another.join();
    EXPECT_EQ(geteuid(), 0u);
  }
  EXPECT_EQ(setfsuid(-1), 0);
  EXPECT_EQ(setfsgid(-1), 0);
  EXPECT_TRUE(FileSystem::Posix().ReadFile(dir_.File("secret"), 100).ok());
}

}  // namespace
}  // namespace skytrain
