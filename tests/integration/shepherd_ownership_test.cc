// Who owns an attempt: claim, lock, and what is left when the shepherd is gone.
#include <gmock/gmock.h>

#include "server/launch/local_launcher.h"
#include "tests/integration/shepherd_fixture.h"

namespace skytrain {
namespace {

using internal::v1::Control;
using ::testing::HasSubstr;

class ShepherdOwnershipTest : public ShepherdFixture {};

TEST_F(ShepherdOwnershipTest, AnAttemptThatWasGivenUpIsNotStarted) {
  Create({});
  internal::v1::Claim claim;
  claim.mutable_abandoned()->set_reason("no sign of life");
  ASSERT_TRUE(dir_.TryClaim(claim).ok());
  EXPECT_EQ(WaitFor(StartShepherd()), 1);
  EXPECT_FALSE(FileSystem::Posix().Exists(dir_.RankSpoolPath(0)));
  EXPECT_FALSE(dir_.ReadExit()->has_value());
}

TEST_F(ShepherdOwnershipTest, OfTwoShepherdsOneRunsTheAttempt) {
  Create({{"fake.epochs", "1"}, {"fake.step_ms", "20"}});
  const int first = StartShepherd(), second = StartShepherd();
  std::vector<int> codes = {WaitFor(first), WaitFor(second)};
  EXPECT_THAT(codes, ::testing::UnorderedElementsAre(0, 1));
  EXPECT_EQ(Exit().end(), v1::COMPLETED);
  int starts = 0;
  for (const auto& record : Records()) starts += record.has_rank_started() ? 1 : 0;
  EXPECT_EQ(starts, 1);
}

TEST_F(ShepherdOwnershipTest, AnEndedAttemptIsNotRunAgain) {
  Create({{"fake.epochs", "1"}});
  RunToEnd();
  EXPECT_EQ(WaitFor(StartShepherd()), 1);
  EXPECT_EQ(Exit().end(), v1::COMPLETED);
}

TEST_F(ShepherdOwnershipTest, TheLockIsHeldUntilTheLastRankIsGone) {
  Create({{"fake.hang", "1"}, {"fake.outlive", "1"}});
  const int shepherd = StartShepherd();
  const int rank = RankPid(0);
  EXPECT_FALSE(dir_.NoProcessLeft().value());
  kill(shepherd, SIGKILL);
  EXPECT_EQ(WaitFor(shepherd), -SIGKILL);
  // The rank was told to live on: the shepherd is dead, the attempt is not over.
  EXPECT_FALSE(dir_.NoProcessLeft().value());
  EXPECT_FALSE(dir_.ReadExit()->has_value());
  kill(rank, SIGKILL);
  EXPECT_TRUE(Eventually([this] { return dir_.NoProcessLeft().value(); }));
}

TEST_F(ShepherdOwnershipTest, RanksDoNotOutliveTheirShepherd) {
  Create({{"fake.hang", "1"}});
  const int shepherd = StartShepherd();
  RankPid(0);
  kill(shepherd, SIGKILL);
  EXPECT_EQ(WaitFor(shepherd), -SIGKILL);
  EXPECT_TRUE(Eventually([this] { return dir_.NoProcessLeft().value(); }));
}

TEST_F(ShepherdOwnershipTest, TheClaimNamesTheShepherd) {
  Create({{"fake.hang", "1"}});
  const int shepherd = StartShepherd();
  RankPid(0);
  const auto claim = dir_.ReadClaim();
  ASSERT_TRUE(claim.ok() && claim->has_value());
  EXPECT_EQ((*claim)->shepherd().pid(), shepherd);
  EXPECT_EQ(IsAlive((*claim)->shepherd()), Liveness::kAlive);
}

TEST_F(ShepherdOwnershipTest, RanksAreInOneGroupThatIsNotTheShepherds) {
  spec_.set_world_size(2);
  Create({{"fake.hang", "1"}});
  const int shepherd = StartShepherd();
  const int first = RankPid(0), second = RankPid(1);
  EXPECT_EQ(getpgid(shepherd), shepherd);
  EXPECT_EQ(getpgid(first), first);
  EXPECT_EQ(getpgid(second), first);
}

TEST_F(ShepherdOwnershipTest, TheLauncherStartsAndPokesAShepherdThatItDoesNotOwn) {
  Create({{"fake.hang", "1"}});
  {
    LocalLauncher launcher(SKYTRAIN_BIN_DIR "/skytrain-shepherd");
    EXPECT_TRUE(absl::IsNotFound(launcher.Poke(dir_)));
    ASSERT_TRUE(launcher.Launch(dir_, nullptr).ok());
    RankPid(0);
  }
  // The launcher is gone, the run goes on.
  EXPECT_FALSE(dir_.NoProcessLeft().value());
  LocalLauncher another(SKYTRAIN_BIN_DIR "/skytrain-shepherd");
  Want(Control::WANT_STOP, 1);
  ASSERT_TRUE(another.Poke(dir_).ok());
  ASSERT_TRUE(Eventually([this] { return dir_.ReadExit()->has_value(); }));
  EXPECT_EQ(Exit().end(), v1::STOPPED);
  ASSERT_TRUE(Eventually([&] { return absl::IsNotFound(another.Poke(dir_)); }));
}

TEST_F(ShepherdOwnershipTest, ALauncherBuriesItsShepherds) {
  Create({{"fake.epochs", "1"}});
  LocalLauncher launcher(SKYTRAIN_BIN_DIR "/skytrain-shepherd");
  ASSERT_TRUE(launcher.Launch(dir_, nullptr).ok());
  ASSERT_TRUE(Eventually([this] { return dir_.ReadExit()->has_value(); }));
  const int pid = (*dir_.ReadClaim())->shepherd().pid();
  EXPECT_TRUE(Eventually(
      [pid] { return !FileSystem::Posix().Exists(absl::StrCat("/proc/", pid, "/stat")); }));
}

TEST_F(ShepherdOwnershipTest, AShepherdThatIsNotThereIsAnErrorOfTheLaunch) {
  Create({});
  LocalLauncher launcher("/no/such/shepherd");
  const absl::Status status = launcher.Launch(dir_, nullptr);
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/shepherd"));
}

}  // namespace
}  // namespace skytrain
