#include "server/devices/devices.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/support/scripted_monitor.h"

namespace skytrain {
namespace {

TEST(DetectCpus, FindsThoseThatThisProcessMayUse) {
  const std::vector<v1::Device> cpus = DetectCpus();
  ASSERT_GE(cpus.size(), 1u);
  EXPECT_EQ(cpus[0].name(), "cpu:0");
}

TEST(DetectGpus, NamesThemByTheDriversNumbers) {
  GpuState lost;
  lost.problem = "NVML: GPU is lost";
  GpuState h100;
  h100.model = "NVIDIA H100";
  h100.memory_bytes = 80'000'000'000;
  ScriptedMonitor monitor({lost, h100});
  const std::vector<v1::Device> gpus = DetectGpus(&monitor);
  // A lost one keeps its number: CUDA counts the same.
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[1].name(), "gpu:1");
  EXPECT_EQ(gpus[1].model(), "NVIDIA H100");
  EXPECT_EQ(gpus[1].memory_bytes(), 80'000'000'000);
}

}  // namespace
}  // namespace skytrain
