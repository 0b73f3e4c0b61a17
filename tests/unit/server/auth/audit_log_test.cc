#include "server/auth/audit_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

class AuditLogTest : public ::testing::Test {
 protected:
  std::unique_ptr<AuditLog> Open(uint64_t max_bytes = 1 << 20) {
    return AuditLog::Open({path_, max_bytes, {}}, clock_).value();
  }
  static AuditEntry By(const std::string& caller) {
    AuditEntry entry;
    entry.caller = caller;
    return entry;
  }
  static std::vector<std::string> Lines(const std::string& path) {
    return absl::StrSplit(ReadWhole(path), '\n', absl::SkipEmpty());
  }

  TempDir dir_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  const std::string path_ = dir_.File("audit.jsonl");
};

TEST_F(AuditLogTest, LineSaysWhoDidWhatAndNobodyElseReadsIt) {
  Open()->Write({"ana", "token sky_abc", "ipv4:10.0.0.5:1", "JobService/CancelJob", "jobs/j",
                 "NOT_FOUND", "JOB_NOT_FOUND"});
  const auto lines = Lines(path_);
  ASSERT_EQ(lines.size(), 1u);
  const auto json = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(json["caller"], "ana");
  EXPECT_EQ(json["proof"], "token sky_abc");
  EXPECT_EQ(json["method"], "JobService/CancelJob");
  EXPECT_EQ(json["resource"], "jobs/j");
  EXPECT_EQ(json["reason"], "JOB_NOT_FOUND");
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(AuditLogTest, WhatACallerSendsCannotForgeALine) {
  Open()->Write(
      {"ana", "unix", "unix", "JobService/DeleteJob", "jobs/x\"}\n{\"caller\":\"\xff", "OK", ""});
  EXPECT_EQ(Lines(path_).size(), 1u);
}

TEST_F(AuditLogTest, ANewDaemonGoesOnWithTheFile) {
  Open()->Write(By("ana"));
  Open()->Write(By("ben"));
  EXPECT_EQ(Lines(path_).size(), 2u);
}

TEST_F(AuditLogTest, FiveFullFilesAreKeptInOrder) {
  const auto log = Open(300);  // Two lines.
  for (int i = 0; i < 30; ++i) log->Write(By(absl::StrCat("caller", i)));
  EXPECT_EQ(nlohmann::json::parse(Lines(path_).back())["caller"], "caller29");
  EXPECT_EQ(nlohmann::json::parse(Lines(path_ + ".1").back())["caller"], "caller27");
  EXPECT_TRUE(std::filesystem::exists(path_ + ".5"));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".6"));
  for (const char* suffix : {"", ".1", ".5"}) {
    EXPECT_LE(std::filesystem::file_size(path_ + suffix), 300u) << suffix;
  }
}

TEST_F(AuditLogTest, FailureIsSaidAndDoesNotStopTheDaemon) {
  absl::Status said;
  auto log =
      AuditLog::Open({path_, 100, [&said](const absl::Status& status) { said = status; }}, clock_);
  ASSERT_TRUE(log.ok());
  (*log)->Write(By("ana"));
  ASSERT_TRUE(said.ok());
  std::filesystem::create_directory(path_ + ".5");  // No file can be renamed onto it.
  WriteWhole(path_ + ".4", "old");
  (*log)->Write(By("ben"));
  EXPECT_FALSE(said.ok());
}

}  // namespace
}  // namespace skytrain
