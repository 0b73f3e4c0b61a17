#include "server/jobs/device_pool.h"

#include <gtest/gtest.h>

namespace skytrain {
namespace {

TEST(DevicePoolTest, GpusComeFirstAndKeepTheirIndices) {
  const DevicePool pool({"gpu:0", "gpu:3"}, 2, nullptr);
  const std::vector<NodeDevice> devices = pool.List();
  ASSERT_EQ(devices.size(), 4u);
  const char* const names[] = {"gpu:0", "gpu:3", "cpu:0", "cpu:1"};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(devices[i].name, names[i]);
    EXPECT_EQ(devices[i].kind, i < 2 ? kGpu : kCpu);
    EXPECT_EQ(pool.IndexOf(names[i]), i);
  }
  EXPECT_EQ(pool.IndexOf("gpu:1"), -1);
}

TEST(DevicePoolTest, ReservationsLastUntilTheirJobIsOver) {
  DevicePool pool({"gpu:0"}, 2, nullptr);
  // One that an earlier daemon had given is no longer there.
  pool.Reserve({"gpu:0", "gpu:1"}, "a");
  pool.Reserve({"cpu:1"}, "b");
  const auto reserved = [&pool] {
    std::vector<NodeDevice> devices = pool.List();
    pool.MarkReserved(devices);
    std::vector<std::string> uids;
    for (const NodeDevice& device : devices) uids.push_back(device.reserved_for);
    return uids;
  };
  EXPECT_EQ(reserved(), (std::vector<std::string>{"a", "", "b"}));
  pool.DropReservations([](const std::string& uid) { return uid == "a"; });
  EXPECT_EQ(reserved(), (std::vector<std::string>{"", "", "b"}));
}

TEST(DevicePoolTest, AGpuWeighsMoreThanACpu) {
  EXPECT_EQ(WeightOf({}), 0);
  EXPECT_GT(WeightOf({"gpu:0"}), WeightOf({"cpu:0"}));
  EXPECT_EQ(WeightOf({"cpu:0", "cpu:1"}), 2 * WeightOf({"cpu:0"}));
}

}  // namespace
}  // namespace skytrain
