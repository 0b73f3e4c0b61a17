#include "server/devices/gpu_guard.h"

#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/scripted_monitor.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kGb = 1'000'000'000;

GpuState Using(int64_t bytes, std::vector<int> pids = {}) {
  GpuState state;
  state.model = "H100";
  state.memory_bytes = 80 * kGb;
  state.used_bytes = bytes;
  for (const int pid : pids) state.processes.push_back({pid, bytes});
  return state;
}

GpuState OutOfOrder() {
  GpuState state;
  state.problem = "NVML: GPU is lost";
  return state;
}

GpuGuard::Options Quick() {
  GpuGuard::Options options;
  options.look_interval = absl::Milliseconds(5);
  options.settle_timeout = absl::Milliseconds(50);
  return options;
}

struct Case {
  const char* name;
  GpuState state;
  std::string expected;
};

TEST(GpuGuard, HandsOutWhatNobodyUses) {
  const std::string self = DescribeProcess(getpid());
  const std::vector<Case> cases = {
      {"idle", Using(0), ""},
      {"what the driver keeps for itself", Using(kGb), ""},
      {"a process of somebody", Using(kGb / 2, {getpid()}), absl::StrCat("in use by ", self)},
      {"a process that cannot be seen", Using(kGb / 2, {999999999}), "in use by pid 999999999"},
      {"memory that nobody is seen to hold", Using(3 * kGb),
       "in use by nobody that can be seen: 3.0 GB of its memory are taken"},
      {"more than a few", Using(kGb, {999999991, 999999992, 999999993, 999999994, 999999995}),
       "in use by pid 999999991, pid 999999992, pid 999999993, 2 more"},
      {"out of order", OutOfOrder(), "out of order: NVML: GPU is lost"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    ScriptedMonitor monitor({test.state});
    GpuGuard guard(monitor, Clock::Real(), {});
    const GpuGuard::Trouble trouble = guard.TroubleOf("gpu:0");
    EXPECT_EQ(trouble.text, test.expected);
    EXPECT_FALSE(trouble.settling);
  }
}

TEST(GpuGuard, KnowsNothingOfOtherDevices) {
  ScriptedMonitor monitor({OutOfOrder()});
  GpuGuard guard(monitor, Clock::Real(), {});
  for (const char* name : {"gpu:1", "cpu:0", "gpu:", "gpu:-1", ""}) {
    EXPECT_EQ(guard.TroubleOf(name).text, "") << name;
  }
}

TEST(GpuGuard, GpuOfAJobThatEndedIsFreeOnlyWhenItsMemoryIs) {
  ScriptedMonitor monitor({Using(40 * kGb)});
  GpuGuard::Options options = Quick();
  options.settle_timeout = absl::Minutes(10);
  GpuGuard guard(monitor, Clock::Real(), options);
  std::atomic<int> changes{0};
  guard.Start([&] { ++changes; });
  guard.Released("gpu:0");
  const int looks = monitor.looks();
  ASSERT_TRUE(Eventually([&] { return monitor.looks() > looks + 3; }));
  EXPECT_TRUE(guard.TroubleOf("gpu:0").settling);
  const int before = changes;
  monitor.Set(std::vector<GpuState>{Using(0)});
  ASSERT_TRUE(Eventually([&] { return guard.TroubleOf("gpu:0").text.empty(); }));
  EXPECT_TRUE(Eventually([&] { return changes > before; }));
}

TEST(GpuGuard, GpuThatWasIdleBeforeTheJobEndedIsLookedAtAnew) {
  ScriptedMonitor monitor({Using(0)});
  GpuGuard guard(monitor, Clock::Real(), Quick());
  guard.Released("gpu:0");
  EXPECT_TRUE(guard.TroubleOf("gpu:0").settling);
}

TEST(GpuGuard, GpuThatKeepsItsMemoryIsQuarantinedUntilItIsFree) {
  ScriptedMonitor monitor({Using(40 * kGb, {999999999})});
  Mutex mu;
  std::vector<std::string> log;
  GpuGuard::Options options = Quick();
  options.log = [&](absl::string_view line) {
    MutexLock lock(mu);
    log.emplace_back(line);
  };
  GpuGuard guard(monitor, Clock::Real(), options);
  guard.Start([] {});
  guard.Released("gpu:0");
  ASSERT_TRUE(Eventually([&] { return !guard.TroubleOf("gpu:0").settling; }));
  EXPECT_EQ(guard.TroubleOf("gpu:0").text,
            "quarantined after its last job: in use by pid 999999999");
  monitor.Set(absl::UnavailableError("NVML: Unknown Error"));
  const int looks = monitor.looks();
  ASSERT_TRUE(Eventually([&] { return monitor.looks() > looks + 2; }));
  EXPECT_THAT(guard.TroubleOf("gpu:0").text, HasSubstr("quarantined"));
  monitor.Set(std::vector<GpuState>{Using(0)});
  ASSERT_TRUE(Eventually([&] { return guard.TroubleOf("gpu:0").text.empty(); }));
  guard.Stop();
  MutexLock lock(mu);
  ASSERT_EQ(log.size(), 2u);
  EXPECT_THAT(log[0], HasSubstr("gpu:0 is quarantined"));
  EXPECT_EQ(log[1], "gpu:0 is free again");
}

TEST(GpuGuard, GpuThatTheDriverListsNoMoreIsOutOfOrder) {
  ScriptedMonitor monitor({Using(0), Using(0)});
  GpuGuard guard(monitor, Clock::Real(), Quick());
  guard.Start([] {});
  monitor.Set(std::vector<GpuState>{Using(0)});
  EXPECT_TRUE(Eventually([&] {
    return guard.TroubleOf("gpu:1").text == "out of order: the driver does not list it any more";
  }));
  EXPECT_EQ(guard.TroubleOf("gpu:0").text, "");
}

TEST(DescribeProcess, NamesCommandAndUser) {
  EXPECT_THAT(DescribeProcess(getpid()),
              ::testing::MatchesRegex(absl::StrCat("pid ", getpid(), " \\(.+, user .+\\)")));
}

}  // namespace
}  // namespace skytrain
