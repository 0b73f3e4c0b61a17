#include "server/accounts/account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::Contains;
using ::testing::UnorderedElementsAre;

TEST(AccountTest, UserIsFoundWithHomeAndGroups) {
  const passwd* const daemon = getpwnam("daemon");
  if (daemon == nullptr) GTEST_SKIP() << "this machine has no user 'daemon'";
  const auto account = FindAccount("daemon");
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->name, "daemon");
  EXPECT_EQ(account->ids.uid, daemon->pw_uid);
  EXPECT_EQ(account->ids.gid, daemon->pw_gid);
  EXPECT_THAT(account->ids.groups, Contains(daemon->pw_gid));
  EXPECT_TRUE(std::is_sorted(account->ids.groups.begin(), account->ids.groups.end()));
}

TEST(AccountTest, RootRunsNothingAndUnknownNamesAreSaid) {
  EXPECT_EQ(ReasonOf(FindAccount("root").status()), "ROOT_RUNS_NO_JOBS");
  for (const char* name : {"no-such-user-here", "uid-61001", ""}) {
    EXPECT_EQ(ReasonOf(FindAccount(name).status()), "NO_ACCOUNT") << name;
  }
}

TEST(AccountTest, EnvironmentHoldsNothingOfRoots) {
  Account account;
  account.name = "ana";
  account.home = "/home/ana";
  account.shell = "/bin/zsh";
  EXPECT_THAT(
      EnvironmentFor(account,
                     {"PATH=/bin", "LANG=de_DE.UTF-8", "LC_ALL=C", "HOME=/root", "USER=root",
                      "NOTIFY_SOCKET=/run/notify", "SKYTRAIN_TOKEN=x", "LD_PRELOAD=/tmp/x.so",
                      "SSH_AUTH_SOCK=/tmp/a", "CUDA_VISIBLE_DEVICES=0", "PATHS=/x"}),
      UnorderedElementsAre("PATH=/bin", "LANG=de_DE.UTF-8", "LC_ALL=C", "CUDA_VISIBLE_DEVICES=0",
                           "HOME=/home/ana", "USER=ana", "LOGNAME=ana", "SHELL=/bin/zsh"));
}

TEST(AccountTest, FolderIsTheUsersAloneAndNobodysElse) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  TempDir dir;
  Account account;
  account.name = "ana";
  account.ids = {61'001, 61'002, {}};
  for (int i = 0; i < 2; ++i) {  // Made, and found.
    const auto folder = FolderOf(account, dir.path());
    ASSERT_TRUE(folder.ok()) << folder.status();
    EXPECT_EQ(*folder, dir.File("61001"));
    struct stat info;
    ASSERT_EQ(stat(folder->c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
    EXPECT_EQ(info.st_uid, 61'001u);
    EXPECT_EQ(info.st_gid, 61'002u);
  }
  ASSERT_EQ(chown(dir.File("61001").c_str(), 61'003, 61'003), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(FolderOf(account, dir.path()).status()));
}

}  // namespace
}  // namespace skytrain
