#include "common/process/run_as.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace skytrain {
namespace {

// What BecomeUser did is for good, so each try has a process of its own. Its exit code.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(RunAsTest, TextNamesUserGroupAndGroups) {
  EXPECT_EQ(FormatRunAs({1000, 100, {4, 24}}), "1000:100:4,24");
  const auto user = ParseRunAs("1000:100:4,24");
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(FormatRunAs(*user), "1000:100:4,24");
  EXPECT_EQ(FormatRunAs(*ParseRunAs("1000:100:")), "1000:100:");
  EXPECT_TRUE(ParseRunAs("1000:100")->groups.empty());
}

TEST(RunAsTest, RootAndWhatIsNoUserAreRefused) {
  for (const char* text :
       {"", "1000", "1000:", ":100", "0:0", "0:100:4", "ana:users", "1000:100:4,", "1000:100:4:5",
        "-1:100", "4294967295:100", "1000:4294967295", "1000:100:4294967295", "1000:100:x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseRunAs(text).status())) << text;
  }
}

TEST(RunAsTest, ThereIsNoWayBack) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(InChild([] {
              if (!BecomeUser({61'001, 61'002, {61'003}}).ok()) return 1;
              if (getuid() != 61'001 || geteuid() != 61'001 || getegid() != 61'002) return 2;
              gid_t group = 0;
              if (getgroups(1, &group) != 1 || group != 61'003) return 3;
              if (seteuid(0) == 0 || setuid(0) == 0 || setgid(0) == 0) return 4;
              return access("/etc/shadow", R_OK) == 0 ? 5 : 0;
            }),
            0);
}

TEST(RunAsTest, WhoIsNotRootBecomesNobodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(InChild([] {
              if (!BecomeUser({61'001, 61'001, {}}).ok()) return 1;
              return BecomeUser({61'002, 61'002, {}}).ok() ? 2 : 0;
            }),
            0);
}

}  // namespace
}  // namespace skytrain
