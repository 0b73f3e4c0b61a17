// Memory that runs out in each of its ways, and the control group of the ranks, with the real
// shepherd.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "common/sanitizers.h"
#include "server/shepherd/cgroup.h"
#include "tests/integration/shepherd_fixture.h"

namespace skytrain {
namespace {

using internal::v1::ExitRecord;
using ::testing::HasSubstr;

class ShepherdMemoryTest : public ShepherdFixture {
 protected:
  // The fake worker, started by a shell that does `before` first.
  void StartWorkerAfter(const std::string& before) {
    const std::string script = temp_.File("worker.sh");
    std::ofstream(script) << "#!/bin/sh\n"
                          << before << "\nexec " << spec_.worker_binary() << " \"$@\"\n";
    ASSERT_EQ(chmod(script.c_str(), 0700), 0);
    spec_.set_worker_binary(script);
  }

  // Neither gone nor a zombie that nobody reaps.
  static bool Runs(int pid) {
    std::string stat;
    std::getline(std::ifstream(absl::StrCat("/proc/", pid, "/stat")), stat);
    const size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && stat[name_end + 2] != 'Z';
  }
};

TEST_F(ShepherdMemoryTest, AllocationBeyondTheLimitOfTheProcessIsOutOfHostMemory) {
  if (kSanitized) GTEST_SKIP() << "the worker needs more addresses than any limit allows";
  StartWorkerAfter("ulimit -v 1000000; ulimit -c 0");
  Create({{"fake.alloc_mb", "4000"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::OUT_OF_HOST_MEMORY) << record.DebugString();
  EXPECT_EQ(record.signal(), SIGABRT);
  EXPECT_THAT(record.message(), HasSubstr("ulimit -v"));
  EXPECT_THAT(record.message(), HasSubstr("std::bad_alloc"));
}

TEST_F(ShepherdMemoryTest, ControlGroupOverItsLimitIsOutOfHostMemory) {
  constexpr int64_t kLimit = int64_t{64} << 20;
  {
    const auto group = Cgroup::Create("skytrain-test-memory", kLimit);
    if (!group.ok()) GTEST_SKIP() << group.status();
    if (!(*group)->has_memory_limit()) {
      GTEST_SKIP() << "no memory controller below " << OwnCgroupPath();
    }
  }
  spec_.set_memory_limit_bytes(kLimit);
  Create({{"fake.alloc_mb", "256"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::OUT_OF_HOST_MEMORY) << record.DebugString();
  EXPECT_EQ(record.signal(), SIGKILL);
}

TEST_F(ShepherdMemoryTest, LimitHoldsWithoutAMemoryControllerToo) {
  {
    const auto group = Cgroup::Create("skytrain-test-limit", 1 << 20);
    if (group.ok() && (*group)->has_memory_limit()) GTEST_SKIP() << "here the kernel holds it";
  }
  spec_.set_memory_limit_bytes(int64_t{64} << 20);
  Create({{"fake.alloc_mb", "256"}, {"fake.hold_ms", "50000"}});
  const ExitRecord record = RunToEnd();
  EXPECT_EQ(record.end(), v1::OUT_OF_HOST_MEMORY) << record.DebugString();
  EXPECT_TRUE(record.killed_by_shepherd());
  EXPECT_THAT(record.message(), HasSubstr("more than the 64 MiB"));
}

TEST_F(ShepherdMemoryTest, RunBelowItsLimitGoesOn) {
  spec_.set_memory_limit_bytes(int64_t{1} << 30);
  Create({{"fake.alloc_mb", "64"}, {"fake.hold_ms", "2500"}});
  EXPECT_EQ(RunToEnd().end(), v1::COMPLETED);
}

TEST_F(ShepherdMemoryTest, ProcessThatLeftTheGroupOfTheRanksEndsWithTheControlGroup) {
  if (const auto group = Cgroup::Create("skytrain-test-kill", 0); !group.ok()) {
    GTEST_SKIP() << group.status();
  }
  const std::string pid_file = temp_.File("stray.pid");
  // Its own session, so that no signal to the process group reaches it.
  StartWorkerAfter(
      absl::StrCat("sleep 0.2; setsid sh -c 'echo $$ > ", pid_file, "; exec sleep 1000' &"));
  Create({{"fake.step_ms", "20"}});
  EXPECT_EQ(RunToEnd().end(), v1::COMPLETED);
  int pid = 0;
  std::ifstream(pid_file) >> pid;
  ASSERT_GT(pid, 0);
  EXPECT_TRUE(Eventually([&] { return !Runs(pid); }));
  EXPECT_TRUE(*dir_.NoProcessLeft());
}

}  // namespace
}  // namespace skytrain
