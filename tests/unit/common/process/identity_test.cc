#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/process/process.h"

namespace skytrain {
namespace {

using internal::v1::ProcessId;

class IdentityTest : public ::testing::Test {
 protected:
  int child_ = 0;

  void SetUp() override {
    SpawnOptions options;
    options.argv = {"/bin/sleep", "600"};
    const auto pid = Spawn(options);
    ASSERT_TRUE(pid.ok()) << pid.status();
    child_ = *pid;
  }
  void TearDown() override { End(); }

  // Its status as waitpid gives it.
  int End() {
    if (child_ == 0) return 0;
    kill(child_, SIGKILL);
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = 0;
    return status;
  }
};

TEST_F(IdentityTest, WeAreAlive) {
  const auto self = Self();
  ASSERT_TRUE(self.ok()) << self.status();
  EXPECT_EQ(self->pid(), getpid());
  EXPECT_EQ(self->boot_id().size(), 36u);
  EXPECT_GT(self->start_time(), 0u);
  EXPECT_EQ(IsAlive(*self), Liveness::kAlive);
}

TEST_F(IdentityTest, AProcessIsDeadOnceItEndedAlsoWhileItIsAZombie) {
  const auto id = Identify(child_);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(IsAlive(*id), Liveness::kAlive);
  kill(child_, SIGKILL);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOWAIT);
  EXPECT_EQ(IsAlive(*id), Liveness::kDead);
  End();
  EXPECT_EQ(IsAlive(*id), Liveness::kDead);
  EXPECT_TRUE(absl::IsNotFound(SignalProcess(*id, SIGUSR1)));
  EXPECT_TRUE(absl::IsNotFound(Identify(id->pid()).status()));
}

TEST_F(IdentityTest, AReusedPidIsNotTheProcess) {
  ProcessId id = Identify(child_).value();
  id.set_start_time(id.start_time() - 1);  // As if another process had had this pid before.
  EXPECT_EQ(IsAlive(id), Liveness::kDead);
  EXPECT_TRUE(absl::IsNotFound(SignalProcess(id, SIGKILL)));
  EXPECT_EQ(kill(child_, 0), 0);
}

TEST_F(IdentityTest, AProcessOfAnotherBootIsDead) {
  ProcessId id = Identify(child_).value();
  id.set_boot_id("00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(IsAlive(id), Liveness::kDead);
  EXPECT_TRUE(absl::IsNotFound(SignalProcess(id, SIGKILL)));
}

TEST_F(IdentityTest, AProcessOfAnotherHostIsNotJudgedAndNotSignalled) {
  ProcessId id = Identify(child_).value();
  id.set_host("some-other-host");
  EXPECT_EQ(IsAlive(id), Liveness::kUnknown);
  EXPECT_TRUE(absl::IsFailedPrecondition(SignalProcess(id, SIGKILL)));
  EXPECT_EQ(kill(child_, 0), 0);
}

TEST_F(IdentityTest, ASignalReachesTheProcess) {
  const ProcessId id = Identify(child_).value();
  ASSERT_TRUE(SignalProcess(id, SIGTERM).ok());
  int status = 0;
  waitpid(child_, &status, 0);
  child_ = 0;
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST_F(IdentityTest, AnEmptyIdentityIsNobody) {
  EXPECT_FALSE(SignalProcess(ProcessId(), SIGKILL).ok());
}

}  // namespace
}  // namespace skytrain
