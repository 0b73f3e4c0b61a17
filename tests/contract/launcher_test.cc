// What every Launcher must do, run against each of them.
#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>

#include "common/attempt/attempt_dir.h"
#include "gtest/gtest.h"
#include "server/launch/local_launcher.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_launcher.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

struct Backend {
  const char* name;
  // One launcher whose next attempt trains until it is stopped.
  std::function<std::unique_ptr<Launcher>()> make;

  // In test names, instead of the bytes of this struct.
  friend std::ostream& operator<<(std::ostream& out, const Backend& b) { return out << b.name; }
};

std::unique_ptr<Launcher> MakeFake() {
  auto launcher = std::make_unique<FakeLauncher>();
  launcher->Then(TrainUntilStopped());
  return launcher;
}

std::unique_ptr<Launcher> MakeLocal() {
  return std::make_unique<LocalLauncher>(SKYTRAIN_BIN_DIR "/skytrain-shepherd");
}

class LauncherContract : public ::testing::TestWithParam<Backend> {
 protected:
  LauncherContract() : attempt_(FileSystem::Posix(), dir_.File("job-1")) {
    internal::v1::AttemptSpec spec;
    spec.set_job_name("jobs/contract");
    spec.set_job_uid("job");
    spec.set_number(1);
    spec.set_worker_binary(SKYTRAIN_BIN_DIR "/skytrain-fake-worker");
    spec.set_threads(1);
    spec.set_world_size(1);
    spec.set_log_quota_bytes(1 << 20);
    spec.mutable_limits()->mutable_stall()->set_seconds(600);
    spec.mutable_limits()->mutable_grace()->set_seconds(10);
    spec.mutable_experiment()->mutable_train()->set_epochs(1000);
    (*spec.mutable_experiment()->mutable_labels())["fake.step_ms"] = "20";
    EXPECT_TRUE(attempt_.Create(spec).ok());
    launcher_ = GetParam().make();
  }
  bool Claimed() {
    const auto claim = attempt_.ReadClaim();
    return claim.ok() && claim->has_value() && (*claim)->has_shepherd();
  }
  bool RankIsAtWork() {
    const auto spools = attempt_.Spools();
    if (!spools.ok()) return false;
    for (const auto& [file, size] : *spools) {
      if (file == "rank-0.spool" && size > 0) return true;
    }
    return false;
  }
  bool Ended() {
    const auto exit = attempt_.ReadExit();
    return exit.ok() && exit->has_value();
  }
  void Stop() {
    internal::v1::Control control;
    control.set_generation(1);
    control.set_want(internal::v1::Control::WANT_STOP);
    control.set_cause(internal::v1::Control::CAUSE_USER);
    ASSERT_TRUE(attempt_.WriteControl(control).ok());
    launcher_->Poke(attempt_).IgnoreError();
  }
  TempDir dir_;
  AttemptDir attempt_;
  std::unique_ptr<Launcher> launcher_;
};

TEST_P(LauncherContract, LaunchedAttemptIsClaimedRunsAndStopsWhenItIsAskedTo) {
  ASSERT_TRUE(launcher_->Launch(attempt_, nullptr).ok());
  ASSERT_TRUE(Eventually([this] { return Claimed() && RankIsAtWork(); }));
  EXPECT_FALSE(*attempt_.NoProcessLeft());
  EXPECT_TRUE(launcher_->Poke(attempt_).ok());
  Stop();
  ASSERT_TRUE(Eventually([this] { return Ended(); }));
  EXPECT_EQ((*attempt_.ReadExit())->end(), v1::STOPPED);
  EXPECT_TRUE(Eventually([this] { return *attempt_.NoProcessLeft(); }));
  EXPECT_TRUE(Eventually([this] { return absl::IsNotFound(launcher_->Poke(attempt_)); }));
}

TEST_P(LauncherContract, AttemptGivenUpBeforeItsShepherdCameStartsNoRanks) {
  internal::v1::Claim claim;
  claim.mutable_abandoned()->set_reason("not claimed in time");
  ASSERT_TRUE(attempt_.TryClaim(claim).ok());
  ASSERT_TRUE(launcher_->Launch(attempt_, nullptr).ok());
  launcher_.reset();
  EXPECT_TRUE((*attempt_.ReadClaim())->has_abandoned());
  EXPECT_FALSE(RankIsAtWork());
  EXPECT_FALSE(Ended());
}

TEST_P(LauncherContract, AttemptGoesOnWhenItsLauncherIsGone) {
  if (std::string(GetParam().name) == "fake") GTEST_SKIP() << "its attempts are its own threads";
  ASSERT_TRUE(launcher_->Launch(attempt_, nullptr).ok());
  ASSERT_TRUE(Eventually([this] { return RankIsAtWork(); }));
  launcher_ = GetParam().make();  // As of the next daemon.
  EXPECT_FALSE(*attempt_.NoProcessLeft());
  Stop();
  ASSERT_TRUE(Eventually([this] { return Ended(); }));
  EXPECT_EQ((*attempt_.ReadExit())->end(), v1::STOPPED);
}

INSTANTIATE_TEST_SUITE_P(AllLaunchers, LauncherContract,
                         ::testing::Values(Backend{"fake", MakeFake}, Backend{"local", MakeLocal}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace skytrain
