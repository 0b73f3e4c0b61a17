// Against a fake of NVIDIA's library: it pins how the functions are called, not how a driver
// behaves.
#include "server/devices/nvml_monitor.h"

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

class NvmlMonitorTest : public ::testing::Test {
 protected:
  NvmlMonitorTest() {
    setenv("SKYTRAIN_FAKE_NVML", dir_.File("script").c_str(), 1);
    monitor_ = NvmlMonitor::Open(SKYTRAIN_FAKE_NVML);
  }

  void Script(const std::string& text) { std::ofstream(dir_.File("script")) << text; }

  TempDir dir_;
  std::unique_ptr<NvmlMonitor> monitor_;
};

TEST_F(NvmlMonitorTest, SeesModelMemoryAndProcesses) {
  ASSERT_NE(monitor_, nullptr);
  Script("gpu H100 1000 400\nprocess 4711 300\nprocess 4712 100\ngpu A100 500 0\n");
  const auto gpus = monitor_->Look();
  ASSERT_TRUE(gpus.ok()) << gpus.status();
  ASSERT_EQ(gpus->size(), 2u);
  EXPECT_EQ((*gpus)[0].model, "H100");
  EXPECT_EQ((*gpus)[0].memory_bytes, 1000);
  EXPECT_EQ((*gpus)[0].used_bytes, 400);
  ASSERT_EQ((*gpus)[0].processes.size(), 2u);
  EXPECT_EQ((*gpus)[0].processes[1].pid, 4712);
  EXPECT_EQ((*gpus)[0].processes[1].memory_bytes, 100);
  EXPECT_EQ((*gpus)[1].model, "A100");
  EXPECT_TRUE((*gpus)[1].processes.empty());
}

TEST_F(NvmlMonitorTest, ListsMoreProcessesThanItFirstHasRoomFor) {
  std::string script = "gpu H100 1000 400\n";
  for (int pid = 1; pid <= 100; ++pid) absl::StrAppend(&script, "process ", pid, " 1\n");
  Script(script);
  const auto gpus = monitor_->Look();
  ASSERT_TRUE(gpus.ok()) << gpus.status();
  ASSERT_EQ((*gpus)[0].processes.size(), 100u);
  EXPECT_EQ((*gpus)[0].processes[99].pid, 100);
}

TEST_F(NvmlMonitorTest, MemoryOfAProcessThatIsNotToldIsNotKnown) {
  Script("gpu H100 1000 400\nprocess 4711 18446744073709551615\n");
  EXPECT_EQ((*monitor_->Look())[0].processes[0].memory_bytes, 0);
}

TEST_F(NvmlMonitorTest, LostGpuKeepsItsNumberAndSaysWhy) {
  Script("gpu H100 1000 0\nlost\ngpu H100 1000 0\n");
  const auto gpus = monitor_->Look();
  ASSERT_TRUE(gpus.ok()) << gpus.status();
  ASSERT_EQ(gpus->size(), 2u);
  EXPECT_EQ((*gpus)[0].problem, "NVML: GPU is lost");
  EXPECT_EQ((*gpus)[1].problem, "");
}

TEST_F(NvmlMonitorTest, DriverThatDoesNotAnswerIsAnError) {
  Script("silent\n");
  EXPECT_TRUE(absl::IsUnavailable(monitor_->Look().status()));
}

TEST(NvmlMonitor, IsAbsentWithoutADriver) {
  EXPECT_EQ(NvmlMonitor::Open("/nowhere/libnvidia-ml.so.1"), nullptr);
  // A library without the functions.
  EXPECT_EQ(NvmlMonitor::Open("libm.so.6"), nullptr);
}

}  // namespace
}  // namespace skytrain
