#include "server/rpc/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace skytrain {
namespace {

TEST(ExecutorTest, RunsEverythingBeforeItDies) {
  std::atomic<int> ran{0};
  {
    Executor executor(3, 1000);
    for (int i = 0; i < 500; ++i) executor.Submit([&] { ++ran; });
  }
  EXPECT_EQ(ran, 500);
}

TEST(ExecutorTest, RefusesNewRequestsWhenTooManyWaitButNeverTheStepOfACall) {
  std::promise<void> started, release;
  std::atomic<int> ran{0};
  {
    Executor executor(1, 2);
    executor.Submit([&] {
      started.set_value();
      release.get_future().wait();
    });
    started.get_future().wait();
    EXPECT_TRUE(executor.TrySubmit([&] { ++ran; }));
    EXPECT_TRUE(executor.TrySubmit([&] { ++ran; }));
    EXPECT_FALSE(executor.TrySubmit([&] { ran += 100; }));
    executor.Submit([&] { ++ran; });
    release.set_value();
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace skytrain
