#include "server/accounts/site_folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "common/errors.h"
#include "server/accounts/owner_links.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

mode_t ModeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

class SiteFoldersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    account_.name = "ana";
    account_.ids = {61'001, 61'001, {}};
    std::filesystem::create_directories(work_);
  }
  TempDir dir_;
  const std::string state_ = dir_.File("state");
  const std::string work_ = state_ + "/work";
  const SiteFolders folders_ = SiteFoldersIn(work_);
  Account account_;
};

TEST_F(SiteFoldersTest, EverybodyMayPassToHisOwnAndLookAtNothingElse) {
  // As a daemon in another mode left them.
  WriteWhole(dir_.File("state/skytrain.db"), "x");
  chmod((state_ + "/skytrain.db").c_str(), 0644);
  std::filesystem::create_directories(work_ + "/models");
  chmod((work_ + "/models").c_str(), 0755);
  const absl::Status made = PrepareSiteFolders(state_, work_);
  ASSERT_TRUE(made.ok()) << made;
  for (const std::string& path :
       {state_, work_, folders_.attempts, folders_.cache, folders_.probe, folders_.inputs}) {
    EXPECT_EQ(ModeOf(path), 0711u) << path;
  }
  EXPECT_EQ(ModeOf(folders_.trash), 0700u);
  EXPECT_EQ(ModeOf(work_ + "/models"), 0700u);
  EXPECT_EQ(ModeOf(state_ + "/skytrain.db"), 0600u);
}

TEST_F(SiteFoldersTest, StateElsewhereIsClosed) {
  const std::string elsewhere = dir_.File("elsewhere");
  ASSERT_TRUE(PrepareSiteFolders(state_, elsewhere).ok());
  EXPECT_EQ(ModeOf(state_), 0700u);
  EXPECT_EQ(ModeOf(elsewhere), 0711u);
}

TEST_F(SiteFoldersTest, PlaceThatAUserCouldExchangeIsRefused) {
  ASSERT_EQ(chmod(state_.c_str(), 0777), 0);
  EXPECT_EQ(ReasonOf(PrepareSiteFolders(state_, work_)), "UNSAFE_WORK_DIR");
  ASSERT_EQ(chmod(state_.c_str(), 0755), 0);
  ASSERT_EQ(chown(state_.c_str(), 61'001, 61'001), 0);
  EXPECT_EQ(ReasonOf(PrepareSiteFolders(state_, work_)), "UNSAFE_WORK_DIR");
}

TEST_F(SiteFoldersTest, UploadHasANameForItsOwnerThatCannotBeLedAstray) {
  ASSERT_TRUE(PrepareSiteFolders(state_, work_).ok());
  WriteWhole(dir_.File("blob"), "galaxies");
  const auto link = LinkForOwner(dir_.File("blob"), account_, folders_.inputs, "ab12");
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(*link, folders_.inputs + "/61001/ab12");
  EXPECT_EQ(ModeOf(folders_.inputs + "/61001"), 0700u);
  // The user, whose folder it is, puts something else there.
  WriteWhole(dir_.File("victim"), "root's");
  std::filesystem::remove(*link);
  std::filesystem::create_symlink(dir_.File("victim"), *link);
  const auto again = LinkForOwner(dir_.File("blob"), account_, folders_.inputs, "ab12");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(std::filesystem::equivalent(*again, dir_.File("blob")));
  EXPECT_EQ(ReadWhole(dir_.File("victim")), "root's");

  RemoveLeftLinks(folders_.inputs);
  EXPECT_TRUE(std::filesystem::exists(*link)) << "the upload is still there";
  std::filesystem::remove(dir_.File("blob"));
  RemoveLeftLinks(folders_.inputs);
  EXPECT_FALSE(std::filesystem::exists(*link));
}

}  // namespace
}  // namespace skytrain
