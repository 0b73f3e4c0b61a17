#include "server/training/cpu/parallel_tasks.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace skytrain::training {
namespace {

class ParallelTasksTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { at::set_num_threads(GetParam()); }
};

TEST_P(ParallelTasksTest, EachTaskRunsOnce) {
  for (const int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<int> runs(count);
    ParallelTasks(count, [&](int64_t i) { ++runs[i]; });
    EXPECT_EQ(runs, std::vector<int>(count, 1));
  }
}

// As many at a time as there are threads: each waits for the others.
TEST_P(ParallelTasksTest, TasksRunAtTheSameTime) {
#ifndef _OPENMP
  GTEST_SKIP() << "this build runs LibTorch's templates on one thread";
#endif
  std::atomic<int> arrived{0};
  std::atomic<int> met{0};
  ParallelTasks(GetParam(), [&](int64_t) {
    ++arrived;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (arrived < GetParam() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    if (arrived == GetParam()) ++met;
  });
  EXPECT_EQ(met, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Threads, ParallelTasksTest, ::testing::Values(1, 2, 4));

}  // namespace
}  // namespace skytrain::training
