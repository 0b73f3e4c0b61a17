#include "common/attempt/attempt_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/support/fault_injecting_file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using internal::v1::AttemptSpec;
using internal::v1::Claim;
using internal::v1::Control;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class AttemptDirTest : public ::testing::Test {
 protected:
  TempDir temp_;
  FaultInjectingFileSystem fs_;
  AttemptDir dir_{fs_, temp_.File("uid-1")};
  AttemptSpec spec_;

  void SetUp() override {
    spec_.set_job_name("jobs/galaxies");
    spec_.set_number(1);
    const absl::Status status = dir_.Create(spec_);
    ASSERT_TRUE(status.ok()) << status;
  }
  static Claim ClaimOf(int pid) {
    Claim claim;
    claim.mutable_shepherd()->set_pid(pid);
    return claim;
  }
};

TEST_F(AttemptDirTest, TheSpecComesBackAlsoAfterAPowerLoss) {
  fs_.DropUnsynced();
  const auto spec = dir_.ReadSpec();
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->SerializeAsString(), spec_.SerializeAsString());
}

TEST_F(AttemptDirTest, AnAttemptIsMadeOnce) {
  EXPECT_TRUE(absl::IsAlreadyExists(dir_.Create(spec_)));
}

TEST_F(AttemptDirTest, ADamagedSpecIsDataLossThatNamesTheFile) {
  WriteWhole(dir_.SpecPath(), "\xff\xff\xff");
  const auto spec = dir_.ReadSpec();
  EXPECT_TRUE(absl::IsDataLoss(spec.status()));
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr(dir_.SpecPath()));
}

TEST_F(AttemptDirTest, TheFirstClaimStands) {
  EXPECT_FALSE(dir_.ReadClaim()->has_value());
  ASSERT_TRUE(dir_.TryClaim(ClaimOf(11)).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(dir_.TryClaim(ClaimOf(12))));
  EXPECT_EQ((*dir_.ReadClaim())->shepherd().pid(), 11);
  fs_.DropUnsynced();
  EXPECT_EQ((*dir_.ReadClaim())->shepherd().pid(), 11);
}

TEST_F(AttemptDirTest, OfManyClaimsAtOnceOneWins) {
  for (int round = 0; round < 20; ++round) {
    AttemptDir dir(FileSystem::Posix(), temp_.File("race-" + std::to_string(round)));
    ASSERT_TRUE(dir.Create(spec_).ok());
    std::vector<pid_t> children;
    for (int i = 1; i <= 4; ++i) {
      const pid_t child = fork();
      if (child == 0) _exit(AttemptDir(dir).TryClaim(ClaimOf(i)).ok() ? 1 : 0);
      children.push_back(child);
    }
    int winners = 0;
    for (const pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      winners += WEXITSTATUS(status);
    }
    ASSERT_EQ(winners, 1);
    ASSERT_TRUE((*dir.ReadClaim())->has_shepherd());
  }
}

TEST_F(AttemptDirTest, AClaimCutShortIsAClaimByNobody) {
  WriteWhole(dir_.ClaimPath(), "");
  auto claim = dir_.ReadClaim();
  ASSERT_TRUE(claim.ok() && claim->has_value());
  EXPECT_FALSE((*claim)->has_shepherd());
  EXPECT_TRUE(absl::IsAlreadyExists(dir_.TryClaim(ClaimOf(1))));
  WriteWhole(dir_.ClaimPath(), ClaimOf(123456).SerializeAsString().substr(0, 3));
  claim = dir_.ReadClaim();
  ASSERT_TRUE(claim.ok() && claim->has_value());
  EXPECT_FALSE((*claim)->has_shepherd());
}

TEST_F(AttemptDirTest, ControlIsReplacedWhole) {
  EXPECT_FALSE(dir_.ReadControl()->has_value());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    int64_t last = 0;
    while (!done) {
      const auto control = dir_.ReadControl();
      ASSERT_TRUE(control.ok()) << control.status();
      if (!control->has_value()) continue;
      ASSERT_GE((*control)->generation(), last);
      last = (*control)->generation();
    }
  });
  Control control;
  control.set_want(Control::WANT_STOP);
  for (int i = 1; i <= 100; ++i) {
    control.set_generation(i);
    ASSERT_TRUE(dir_.WriteControl(control).ok());
  }
  done = true;
  reader.join();
  EXPECT_EQ((*dir_.ReadControl())->generation(), 100);
}

TEST_F(AttemptDirTest, TheLockIsHeldByOneAndFreeWhenItsDescriptorIsClosed) {
  EXPECT_TRUE(dir_.NoProcessLeft().value());
  const auto fd = dir_.TakeLock();
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_FALSE(dir_.NoProcessLeft().value());
  const auto second = dir_.TakeLock();
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  close(*fd);
  EXPECT_TRUE(dir_.NoProcessLeft().value());
  const auto third = dir_.TakeLock();
  ASSERT_TRUE(third.ok());
  close(*third);
}

TEST_F(AttemptDirTest, AnInheritedLockOutlivesItsTaker) {
  int gate[2];
  ASSERT_EQ(pipe(gate), 0);
  const int fd = dir_.TakeLock().value();
  const pid_t heir = fork();
  if (heir == 0) {
    close(gate[1]);
    char byte;
    _exit(read(gate[0], &byte, 1) < 0 ? 1 : 0);  // Until the test lets go.
  }
  close(fd);
  EXPECT_FALSE(dir_.NoProcessLeft().value());
  close(gate[1]);
  waitpid(heir, nullptr, 0);
  EXPECT_TRUE(dir_.NoProcessLeft().value());
  close(gate[0]);
}

TEST_F(AttemptDirTest, SpoolsAreListedWithTheirSizes) {
  WriteWhole(dir_.RankSpoolPath(0), "12345");
  WriteWhole(dir_.ShepherdSpoolPath(), "1");
  WriteWhole(dir_.path() + "/shepherd.log", "no spool");
  const auto spools = dir_.Spools();
  ASSERT_TRUE(spools.ok());
  EXPECT_THAT(*spools, UnorderedElementsAre(Pair("rank-0.spool", 5u), Pair("shepherd.spool", 1u)));
}

}  // namespace
}  // namespace skytrain
