#include "server/store/work_dir_lease.h"

#include "common/errors.h"
#include "common/process/process.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

// The lease as a daemon on `host` in `boot` leaves it when it is killed.
void Leave(const TempDir& dir, const std::string& host, const std::string& boot) {
  ASSERT_TRUE(WorkDirLease::Take(dir.path()).ok());
  internal::v1::ProcessId holder = *Self();
  if (!host.empty()) holder.set_host(host);
  if (!boot.empty()) holder.set_boot_id(boot);
  const std::string message = holder.SerializeAsString();
  std::string bytes = ReadWhole(dir.File("lease"));
  const auto length = static_cast<uint32_t>(message.size());
  bytes.replace(0, sizeof(length), reinterpret_cast<const char*>(&length), sizeof(length));
  bytes.replace(sizeof(length), message.size(), message);
  WriteWhole(dir.File("lease"), bytes);
}

TEST(WorkDirLease, SecondDaemonOfThisMachineIsRefused) {
  TempDir dir;
  const auto first = WorkDirLease::Take(dir.path());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = WorkDirLease::Take(dir.path());
  EXPECT_EQ(ReasonOf(second.status()), "WORK_DIR_IN_USE") << second.status();
}

TEST(WorkDirLease, DaemonOfAnotherMachineIsNamed) {
  TempDir dir;
  Leave(dir, "node7", "");
  const auto refused = WorkDirLease::Take(dir.path());
  EXPECT_EQ(ReasonOf(refused.status()), "WORK_DIR_IN_USE");
  EXPECT_NE(refused.status().message().find("on node7"), absl::string_view::npos);
  EXPECT_NE(refused.status().message().find("remove " + dir.File("lease")),
            absl::string_view::npos);
}

TEST(WorkDirLease, KilledDaemonOfThisMachineIsFollowed) {
  for (const char* boot : {"", "an-earlier-boot"}) {
    TempDir dir;
    Leave(dir, "", boot);
    EXPECT_TRUE(WorkDirLease::Take(dir.path()).ok()) << boot;
  }
}

TEST(WorkDirLease, IsFreeAfterAnOrderlyStopAndAfterAPowerLossThatCutItShort) {
  TempDir dir;
  ASSERT_TRUE(WorkDirLease::Take(dir.path()).ok());
  EXPECT_TRUE(WorkDirLease::Take(dir.path()).ok());
  WriteWhole(dir.File("lease"), "");
  EXPECT_TRUE(WorkDirLease::Take(dir.path()).ok());
}

}  // namespace
}  // namespace skytrain
