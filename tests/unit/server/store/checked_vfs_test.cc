// Seals of pages, and what an open makes of those that are broken.
#include "server/store/checked_vfs.h"

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/database.h"
#include "server/store/event_rows.h"
#include "server/store/usage_rows.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckedVfsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Database>> Open() {
    Database::Options options;
    options.path = path_;
    options.log = [this](absl::string_view line) { absl::StrAppend(&log_, line, "\n"); };
    return Database::Open(options);
  }
  // Opens, changes and closes the database.
  void Change(const std::function<absl::Status(Connection&)>& change) {
    const auto database = Open();
    ASSERT_TRUE(database.ok()) << database.status();
    const absl::Status changed = (*database)->Write(Database::Priority::kControl, change);
    ASSERT_TRUE(changed.ok()) << changed;
  }
  // The page that holds `text` first; flips a bit of its byte `offset`, or of the text at -1.
  int64_t Damage(const std::string& text, int64_t offset = -1) {
    std::string bytes = ReadWhole(path_);
    const size_t found = bytes.find(text);
    EXPECT_NE(found, std::string::npos);
    const int64_t page = static_cast<int64_t>(found) / kPageBytes;
    bytes[offset < 0 ? found : page * kPageBytes + offset] ^= 1;
    WriteWhole(path_, bytes);
    return page + 1;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("test.db");
  std::string log_;
};

constexpr absl::string_view kEvents = "the only events of the only job";

absl::Status InsertEvents(Connection& connection) {
  return InsertBatch(connection, "uid", 1, 1, 0, kEvents);
}

TEST_F(CheckedVfsTest, DamagedPageOfEventsIsNamedWhenItIsReadAndNotBefore) {
  Change(InsertEvents);
  const int64_t page = Damage(std::string(kEvents));
  const auto database = Open();
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_THAT(log_, IsEmpty());
  const auto read = [](Connection& connection) { return FindBatch(connection, "uid", 1).status(); };
  const absl::Status damaged = (*database)->Read(read);
  EXPECT_EQ(ReasonOf(damaged), "STORE_CORRUPT") << damaged;
  EXPECT_THAT(std::string(damaged.message()),
              HasSubstr(absl::StrCat("page ", page, " of ", path_)));
  // Nothing else is touched by it.
  EXPECT_EQ(ReasonOf((*database)->Write(Database::Priority::kControl, InsertEvents)),
            "STORE_CORRUPT");
  const auto put = [](Connection& connection) { return PutUsage(connection, {"ana", 5, 6}); };
  EXPECT_TRUE((*database)->Write(Database::Priority::kControl, put).ok());
}

TEST_F(CheckedVfsTest, SealThatIsDamagedItselfIsFoundToo) {
  Change(InsertEvents);
  for (int64_t offset = kPageBytes - kSealBytes; offset < kPageBytes; ++offset) {
    const std::string whole = ReadWhole(path_);
    Damage(std::string(kEvents), offset);
    const auto database = Open();
    ASSERT_TRUE(database.ok()) << database.status();
    const absl::Status damaged = (*database)->Read(
        [](Connection& connection) { return FindBatch(connection, "uid", 1).status(); });
    EXPECT_EQ(ReasonOf(damaged), "STORE_CORRUPT") << offset;
    WriteWhole(path_, whole);
  }
}

TEST_F(CheckedVfsTest, DamagedUsageIsForgottenAndSaid) {
  Change([](Connection& connection) { return PutUsage(connection, {"anastasia", 5, 6}); });
  Damage("anastasia");
  const auto database = Open();
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_THAT(log_, HasSubstr("owner_usage"));
  EXPECT_TRUE((*database)
                  ->Read([](Connection& connection) {
                    const auto usage = ListUsage(connection);
                    EXPECT_TRUE(usage.ok()) << usage.status();
                    EXPECT_THAT(*usage, IsEmpty());
                    return usage.status();
                  })
                  .ok());
  log_.clear();
  EXPECT_TRUE(Open().ok());
  EXPECT_THAT(log_, IsEmpty()) << "once mended it stays so";
}

TEST_F(CheckedVfsTest, DamagedFloorOfEventsIsRefused) {
  Change(
      [](Connection& connection) { return SetFirstAvailableSeq(connection, "uid-of-a-job", 7); });
  Damage("uid-of-a-job");
  EXPECT_EQ(ReasonOf(Open().status()), "STORE_CORRUPT");
}

TEST_F(CheckedVfsTest, DatabaseWithoutSealsIsTakenAsItIs) {
  sqlite3* other = nullptr;  // Of another program.
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(
      sqlite3_exec(other, "PRAGMA page_size=8192; CREATE TABLE own (x)", nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(other);
  ASSERT_EQ(ReadWhole(path_)[20], 0);
  Change(InsertEvents);
  const auto database = Open();
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_TRUE((*database)
                  ->Read([](Connection& connection) {
                    const auto batch = FindBatch(connection, "uid", 1);
                    EXPECT_TRUE(batch.ok() && batch->has_value()) << batch.status();
                    return batch.status();
                  })
                  .ok());
}

}  // namespace
}  // namespace skytrain
