// Bits flipped in the files of a real daemon's database while it is down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/daemon.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

constexpr int kDamaged = 3;  // Exit code: another start would find the same.

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemon_.Start();
    ASSERT_TRUE(started.ok()) << started;
    JobClient client(daemon_.Connect());
    for (const char* id : {"first", "second"}) {
      const auto job = client.Create({{"epochs", "1"}, {"steps", "2"}}, id);
      ASSERT_TRUE(job.ok()) << job.status();
      ASSERT_TRUE(client.Wait(job->name()).ok());
    }
  }
  std::string File(const std::string& suffix) const {
    return daemon_.root() + "/state/skytrain.db" + suffix;
  }
  void FlipBit(const std::string& path, size_t position) {
    std::string bytes = ReadWhole(path);
    ASSERT_LT(position, bytes.size());
    bytes[position] ^= 1;
    WriteWhole(path, bytes);
  }
  void ExpectRefused(const std::string& what) {
    if (daemon_.Start().ok()) {
      daemon_.Kill();
      FAIL() << "it serves, though damaged: " << what;
    }
    EXPECT_EQ(daemon_.WaitForExit(), kDamaged);
    EXPECT_THAT(daemon_.Log(), HasSubstr(what));
    EXPECT_THAT(daemon_.Log(), HasSubstr(".dump"));
  }
  // Where the database file holds `text` first.
  size_t Find(const std::string& text) { return ReadWhole(File("")).find(text); }

  Daemon daemon_;
};

TEST_F(DamageTest, InAJobsRowSetsThatJobAsideAndServesTheOthers) {
  const std::string uid = JobClient(daemon_.Connect()).Get("jobs/first")->uid();
  ASSERT_EQ(daemon_.Stop(), 0);
  // Within the snapshot in its row, where the name stands.
  const size_t name = Find("jobs/first");
  ASSERT_NE(name, std::string::npos);
  FlipBit(File(""), name);
  const absl::Status started = daemon_.Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_THAT(daemon_.Log(), HasSubstr("failed its checksum"));
  EXPECT_THAT(daemon_.Log(), HasSubstr(absl::StrCat("job ", uid, " cannot be read")));
  EXPECT_TRUE(
      std::filesystem::exists(absl::StrCat(daemon_.root(), "/state/lost+found/", uid, "/why.txt")));
  JobClient client(daemon_.Connect());
  EXPECT_TRUE(absl::IsNotFound(client.Get("jobs/first").status()));
  EXPECT_EQ(client.Get("jobs/second")->state(), v1::SUCCEEDED);
  ASSERT_EQ(daemon_.Stop(), 0);
  ASSERT_TRUE(daemon_.Start().ok()) << "once mended it stays so";
}

TEST_F(DamageTest, InTheHeaderOrTheSchemaIsRefusedAndNothingIsChanged) {
  ASSERT_EQ(daemon_.Stop(), 0);
  const std::string whole = ReadWhole(File(""));
  for (const size_t position : {size_t{20}, size_t{60}, Find("CREATE TABLE jobs") + 20}) {
    FlipBit(File(""), position);
    const std::string damaged = ReadWhole(File(""));
    ExpectRefused(File(""));
    ExpectRefused(File(""));
    EXPECT_EQ(ReadWhole(File("")), damaged) << position;
    WriteWhole(File(""), whole);
  }
  const absl::Status started = daemon_.Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_EQ(JobClient(daemon_.Connect()).Get("jobs/first")->state(), v1::SUCCEEDED);
}

TEST_F(DamageTest, InTheLogOfAKilledDaemonIsRefused) {
  daemon_.Kill();
  const std::string whole = ReadWhole(File("-wal"));
  ASSERT_GT(whole.size(), 10'000u);
  // Not at its very end, where a commit may have been under way that nobody was told of.
  for (const size_t position : {size_t{17}, size_t{40}, whole.size() / 4, whole.size() / 2}) {
    FlipBit(File("-wal"), position);
    const std::string damaged = ReadWhole(File("-wal"));
    ExpectRefused(File("-wal"));
    EXPECT_EQ(ReadWhole(File("-wal")), damaged) << position;
    WriteWhole(File("-wal"), whole);
  }
  const absl::Status started = daemon_.Start();
  ASSERT_TRUE(started.ok()) << started;
  JobClient client(daemon_.Connect());
  EXPECT_EQ(client.Get("jobs/second")->state(), v1::SUCCEEDED);
}

// What the advice in the message makes is a database that a daemon takes.
TEST_F(DamageTest, RecoveredDatabaseIsServed) {
  if (system("sqlite3 -version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no sqlite3 program";
  ASSERT_EQ(daemon_.Stop(), 0);
  FlipBit(File(""), 60);
  const std::string saved = daemon_.root() + "/saved.db";
  const std::string save =
      absl::StrCat("sqlite3 ", File(""), " .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 -cmd ",
                   "'PRAGMA page_size=8192' ", saved);
  ASSERT_EQ(system(save.c_str()), 0);
  std::filesystem::rename(saved, File(""));
  const absl::Status started = daemon_.Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_EQ(JobClient(daemon_.Connect()).Get("jobs/first")->state(), v1::SUCCEEDED);
}

}  // namespace
}  // namespace skytrain
