#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/process/process.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SpawnTest : public ::testing::Test {
 protected:
  TempDir dir_;
  const std::string out_ = dir_.File("out");

  // Runs a shell script and returns what it printed.
  std::string Run(const std::string& script, SpawnOptions options = {}) {
    options.argv = {"/bin/sh", "-c", script};
    return RunProgram(std::move(options));
  }

  std::string RunProgram(SpawnOptions options) {
    const int fd = open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    options.stdout_fd = fd;
    const auto pid = Spawn(options);
    close(fd);
    EXPECT_TRUE(pid.ok()) << pid.status();
    if (!pid.ok()) return "";
    waitpid(*pid, nullptr, 0);
    return ReadWhole(out_);
  }
};

TEST_F(SpawnTest, TheEnvironmentIsTheGivenOneAndNoMore) {
  SpawnOptions options;
  options.environment = {"SKYTRAIN_RANK=3"};
  EXPECT_EQ(Run("/usr/bin/env | /bin/grep -v -e ^PWD -e ^_ -e ^SHLVL -e ^OLDPWD", options),
            "SKYTRAIN_RANK=3\n");
}

TEST_F(SpawnTest, AProgramThatIsNotThereIsAnErrorThatNamesIt) {
  SpawnOptions options;
  options.argv = {"/no/such/program"};
  const auto pid = Spawn(options);
  EXPECT_TRUE(absl::IsNotFound(pid.status())) << pid.status();
  EXPECT_THAT(std::string(pid.status().message()), HasSubstr("/no/such/program"));
  EXPECT_TRUE(absl::IsInvalidArgument(Spawn(SpawnOptions()).status()));
}

TEST_F(SpawnTest, OnlyStdioAndKeptDescriptorsAreInherited) {
  const int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int leaked = open("/dev/null", O_RDONLY);  // As a library might: not close-on-exec.
  ASSERT_GT(leaked, kept);
  SpawnOptions options;
  options.keep_fds = {kept};
  const std::string script = "echo; ls /proc/$$/fd";
  const std::string names = Run(script, options);
  EXPECT_THAT(names, HasSubstr(absl::StrCat("\n", kept, "\n")));
  EXPECT_THAT(names, Not(HasSubstr(absl::StrCat("\n", leaked, "\n"))));
  EXPECT_THAT(Run(script), Not(HasSubstr(absl::StrCat("\n", kept, "\n"))));
  close(kept);
  close(leaked);
}

TEST_F(SpawnTest, SignalsAreBlockedFromTheStartAndIgnoredOnesAreReset) {
  signal(SIGHUP, SIG_IGN);
  SpawnOptions options;
  options.blocked_signals = {SIGTERM, SIGUSR1};
  // Without a shell, which would change the mask itself.
  options.argv = {"/bin/grep", "-e", "^SigBlk", "-e", "^SigIgn", "/proc/self/status"};
  const std::string status = RunProgram(options);
  signal(SIGHUP, SIG_DFL);
  // Bit n-1 stands for signal n: SIGTERM 15, SIGUSR1 10; SIGHUP 1.
  EXPECT_THAT(status, HasSubstr("SigBlk:\t0000000000004200"));
  // All below signal 32; the two from there on are glibc's own.
  EXPECT_THAT(status, ::testing::EndsWith("80000000\n"));
}

TEST_F(SpawnTest, GroupsAndSessionsAreAsAsked) {
  const std::string script = "cut -d' ' -f1,5,6 /proc/$$/stat";  // Pid, group, session.
  const auto ids = [](const std::string& text) {
    std::vector<int> numbers(3);
    EXPECT_EQ(sscanf(text.c_str(), "%d %d %d", &numbers[0], &numbers[1], &numbers[2]), 3) << text;
    return numbers;
  };
  SpawnOptions group;
  group.new_process_group = true;
  std::vector<int> got = ids(Run(script, group));
  EXPECT_EQ(got[1], got[0]);
  EXPECT_EQ(got[2], getsid(0));
  SpawnOptions session;
  session.new_session = true;
  got = ids(Run(script, session));
  EXPECT_EQ(got[1], got[0]);
  EXPECT_EQ(got[2], got[0]);
  got = ids(Run(script));
  EXPECT_EQ(got[1], getpgrp());
}

TEST_F(SpawnTest, TheWorkingFolderIsTheGivenOne) {
  SpawnOptions options;
  options.working_dir = dir_.path();
  const std::string got = Run("pwd -P", options);
  EXPECT_THAT(got, HasSubstr(dir_.path().substr(dir_.path().rfind('/') + 1)));
}

}  // namespace
}  // namespace skytrain
