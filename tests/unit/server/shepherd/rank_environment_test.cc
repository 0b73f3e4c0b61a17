#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/shepherd/rank_process.h"

namespace skytrain {
namespace {

using ::testing::Contains;
using ::testing::Not;

TEST(RankEnvironmentTest, FixesWhatTheAttemptDecidesAndKeepsTheRest) {
  internal::v1::AttemptSpec spec;
  spec.set_threads(3);
  spec.set_world_size(2);
  for (const char* device : {"gpu:1", "gpu:3"}) spec.add_devices(device);
  const auto environment =
      RankEnvironment(spec, 1, {"HOME=/home/ana", "OMP_NUM_THREADS=64", "CUDA_VISIBLE_DEVICES=0"});
  for (const char* expected :
       {"HOME=/home/ana", "SKYTRAIN_RANK=1", "SKYTRAIN_WORLD_SIZE=2", "OMP_NUM_THREADS=3",
        "OMP_WAIT_POLICY=passive", "CUBLAS_WORKSPACE_CONFIG=:4096:8",
        "CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=1,3"}) {
    EXPECT_THAT(environment, Contains(expected));
  }
  EXPECT_THAT(environment, Not(Contains("OMP_NUM_THREADS=64")));
  EXPECT_THAT(environment, Not(Contains("CUDA_VISIBLE_DEVICES=0")));
}

TEST(RankEnvironmentTest, WithoutGpusNoneIsVisible) {
  internal::v1::AttemptSpec spec;
  spec.add_devices("cpu:0");
  EXPECT_THAT(RankEnvironment(spec, 0, {}), Contains("CUDA_VISIBLE_DEVICES="));
}

}  // namespace
}  // namespace skytrain
