#include "client/render/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "common/timestamp.h"

namespace skytrain::client {
namespace {

using ::testing::HasSubstr;
using Verdict = Check::Verdict;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::ServerInfo Healthy() {
  v1::ServerInfo info;
  info.set_version("0.1.0");
  *info.mutable_start_time() = ToTimestamp(kNow - absl::Hours(24 * 9));
  info.set_phase(v1::ServerInfo::PHASE_SERVING);
  *info.mutable_time() = ToTimestamp(kNow + absl::Seconds(1));
  info.set_caller("ana");
  info.set_role("user");
  info.set_mode("shared");
  info.mutable_disk()->set_total_bytes(1'000'000'000'000);
  info.mutable_disk()->set_free_bytes(500'000'000'000);
  return info;
}

v1::ListDevicesResponse TwoGpus() {
  v1::ListDevicesResponse devices;
  for (const char* name : {"gpu:0", "gpu:1"}) {
    v1::Device& device = *devices.add_devices();
    device.set_name(name);
    device.set_model("H100");
    device.set_memory_bytes(80'000'000'000);
  }
  devices.mutable_devices(0)->set_job("jobs/a");
  return devices;
}

std::map<std::string, Check> ByName(const v1::ServerInfo& info,
                                    const v1::ListDevicesResponse& devices = TwoGpus()) {
  std::map<std::string, Check> checks;
  for (Check& check : ChecksOfServer(info, devices, kNow, absl::Milliseconds(2))) {
    checks[check.name] = check;
  }
  return checks;
}

TEST(Checks, AHealthyServerIsOkInEveryLine) {
  const auto checks = ByName(Healthy());
  for (const auto& [name, check] : checks) EXPECT_EQ(check.verdict, Verdict::kOk) << name;
  EXPECT_EQ(checks.at("daemon").detail, "0.1.0, up 9d, SERVING");
  EXPECT_EQ(checks.at("access").detail, "ana, role user, shared mode");
  EXPECT_EQ(checks.at("devices").detail, "2 x H100 80.0 GB, 1 free");
  EXPECT_EQ(checks.at("disk").detail, "state folder 50 % full, 500 GB free");
}

TEST(Checks, WhatIsNearItsEndWarnsWithTheFix) {
  v1::ServerInfo starting = Healthy(), skewed = Healthy(), token = Healthy(), full = Healthy();
  starting.set_phase(v1::ServerInfo::PHASE_STARTING);
  *skewed.mutable_time() = ToTimestamp(kNow - absl::Minutes(5));
  *token.mutable_credential_expiry() = ToTimestamp(kNow + absl::Hours(50));
  full.mutable_disk()->set_free_bytes(90'000'000'000);
  const struct {
    v1::ServerInfo info;
    const char *name, *detail, *advice;
  } kCases[] = {
      {starting, "daemon", "STARTING", "it recovers"},
      {skewed, "clock", "5m00s behind", "NTP"},
      {token, "access", "ana", "expires in 2d: ask for a new token"},
      {full, "disk", "91 % full", "skytrain gc --dry-run"},
  };
  for (const auto& test : kCases) {
    const Check check = ByName(test.info).at(test.name);
    EXPECT_EQ(check.verdict, Verdict::kWarning) << test.name;
    EXPECT_THAT(check.detail, HasSubstr(test.detail));
    EXPECT_THAT(check.advice, HasSubstr(test.advice));
  }
}

TEST(Checks, ADeviceInForeignUseIsNotFreeAndNamed) {
  v1::ListDevicesResponse devices = TwoGpus();
  devices.mutable_devices(1)->set_unavailable("in use by pid 4711 (python, user ben)");
  const Check check = ByName(Healthy(), devices).at("devices");
  EXPECT_THAT(check.detail, HasSubstr("0 free"));
  EXPECT_EQ(check.advice, "gpu:1 in use by pid 4711 (python, user ben)");
}

TEST(Checks, WhatAnOldServerDoesNotTellIsLeftOut) {
  v1::ServerInfo old;
  old.set_version("0.0.9");
  old.set_caller("ana");
  const auto checks = ByName(old);
  EXPECT_EQ(checks.count("clock"), 0u);
  EXPECT_EQ(checks.count("disk"), 0u);
  EXPECT_EQ(checks.at("daemon").detail, "0.0.9");
}

TEST(Checks, TableHasOneLineEach) {
  const std::vector<Check> checks = {
      {"client", "0.1.0"},
      {"daemon", "up", Verdict::kOk, "", absl::Milliseconds(2)},
      {"disk", "91 % full", Verdict::kWarning, "run: skytrain gc --dry-run"},
      Check::Broken("port", "", absl::UnavailableError("nobody listens"))};
  EXPECT_EQ(ChecksTable(checks, Terminal()),
            "client  0.1.0      ok\n"
            "daemon  up         ok   2.0 ms\n"
            "disk    91 % full  WARN run: skytrain gc --dry-run\n"
            "port               BROKEN\n");
  EXPECT_THAT(ChecksJson(checks, false),
              HasSubstr("{\"ok\": false, \"checks\": [{\"name\": \"client\""));
}

}  // namespace
}  // namespace skytrain::client
