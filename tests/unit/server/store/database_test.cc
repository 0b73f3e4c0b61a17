#include "server/store/database.h"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/event_rows.h"
#include "server/store/job_rows.h"
#include "server/store/migrations.h"
#include "server/store/state_dir.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Priority = Database::Priority;

std::unique_ptr<Database> Open(const TempDir& dir) {
  Database::Options options;
  options.path = dir.File("test.db");
  auto database = Database::Open(options);
  EXPECT_TRUE(database.ok()) << database.status();
  return *std::move(database);
}

JobRow Row(const std::string& uid, const std::string& id, int state = 1) {
  JobRow row;
  row.uid = uid;
  row.id = id;
  row.owner = "ana";
  row.state = state;
  row.snapshot = absl::StrCat("snapshot of ", id);
  row.spec = "spec";
  return row;
}

absl::Status Insert(Database& database, const JobRow& row) {
  return database.Write(Priority::kControl,
                        [&](Connection& connection) { return InsertJob(connection, row); });
}

TEST(Database, WhatWasWrittenIsThereAfterReopening) {
  TempDir dir;
  ASSERT_TRUE(Insert(*Open(dir), Row("u1", "one")).ok());
  const auto database = Open(dir);
  ASSERT_TRUE(database
                  ->Read([](Connection& connection) {
                    const auto row = FindJobById(connection, "one");
                    EXPECT_TRUE(row.ok() && row->has_value());
                    EXPECT_EQ((*row)->snapshot, "snapshot of one");
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST(Database, FailedChangeLeavesNothingAndHarmsNoOther) {
  TempDir dir;
  const auto database = Open(dir);
  ASSERT_TRUE(Insert(*database, Row("u1", "taken")).ok());
  std::vector<std::thread> threads;
  std::atomic<int> stored{0}, refused{0};
  // Many at once, so that good and bad changes share commits.
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      const absl::Status status =
          database->Write(Priority::kControl, [&](Connection& connection) -> absl::Status {
            absl::Status first =
                InsertJob(connection, Row(absl::StrCat("v", i), absl::StrCat("new", i)));
            if (!first.ok() || i % 2 == 0) return first;
            return InsertJob(connection, Row(absl::StrCat("w", i), "taken"));
          });
      (status.ok() ? stored : refused)++;
      EXPECT_EQ(status.ok(), i % 2 == 0);
      EXPECT_EQ(absl::IsAlreadyExists(status), i % 2 == 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(database
                  ->Read([](Connection& connection) {
                    EXPECT_EQ(ListJobs(connection, {})->size(), 1u + 8u);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST(Database, PagesGoFromTheNewestToTheOldest) {
  TempDir dir;
  const auto database = Open(dir);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Insert(*database, Row(absl::StrCat("u", i), absl::StrCat("job", i), i)).ok());
  }
  const auto ids = [&](const JobPage& page) {
    std::vector<std::string> found;
    EXPECT_TRUE(database
                    ->Read([&](Connection& connection) {
                      const auto rows = ListJobs(connection, page);
                      for (const JobRow& row : *rows) found.push_back(row.id);
                      return absl::OkStatus();
                    })
                    .ok());
    return found;
  };
  JobPage page;
  page.limit = 2;
  EXPECT_THAT(ids(page), ElementsAre("job4", "job3"));
  page.before_uid = "u3";
  EXPECT_THAT(ids(page), ElementsAre("job2", "job1"));
  page = {};
  page.states = (1 << 1) | (1 << 3);
  EXPECT_THAT(ids(page), ElementsAre("job3", "job1"));
  page.states = 1 << 3;
  page.before_uid = "u3";
  EXPECT_THAT(ids(page), ElementsAre());
  page = {};
  page.owner = "ben";
  EXPECT_THAT(ids(page), ElementsAre());
}

TEST(Database, DeletedEventsGoInPortionsAndLeftOversAreFound) {
  TempDir dir;
  const auto database = Open(dir);
  ASSERT_TRUE(Insert(*database, Row("u1", "one")).ok());
  ASSERT_TRUE(database
                  ->Write(Priority::kBulk,
                          [](Connection& connection) {
                            absl::Status status;
                            for (int seq = 1; seq <= 5; ++seq) {
                              status.Update(InsertBatch(connection, "u1", seq, 1, 0, "e"));
                              status.Update(InsertBatch(connection, "gone", seq, 1, 0, "e"));
                            }
                            return status;
                          })
                  .ok());
  ASSERT_TRUE(database
                  ->Write(Priority::kBulk,
                          [](Connection& connection) {
                            EXPECT_THAT(*UidsWithoutJob(connection), ElementsAre("gone"));
                            EXPECT_EQ(*DeleteBatches(connection, "gone", 3), 3);
                            EXPECT_EQ(*DeleteBatches(connection, "gone", 3), 2);
                            EXPECT_THAT(*UidsWithoutJob(connection), ElementsAre());
                            return absl::OkStatus();
                          })
                  .ok());
}

TEST(Database, FullStoreRefusesBulkWritesAndKeepsControlWritesGoing) {
  TempDir dir;
  Database::Options options;
  options.path = dir.File("test.db");
  options.ballast_path = dir.File("ballast");
  options.ballast_bytes = 1 << 20;
  const auto database = *Database::Open(options);
  EXPECT_EQ(ReadWhole(dir.File("ballast")).size(), 1u << 20);
  // A limit on pages fails as a full disk does.
  const auto limit_pages = [&](const std::string& pages) {
    EXPECT_TRUE(database
                    ->Write(Priority::kControl,
                            [&](Connection& connection) {
                              return connection.Execute(
                                  absl::StrCat("PRAGMA max_page_count=", pages));
                            })
                    .ok());
  };
  limit_pages("1");  // No less than there are now.
  const std::string megabyte(1 << 20, 'x');
  const absl::Status refused = database->Write(Priority::kBulk, [&](Connection& connection) {
    return InsertBatch(connection, "u1", 1, 1, 0, megabyte);
  });
  EXPECT_EQ(ReasonOf(refused), "STORE_FULL");
  ASSERT_TRUE(database
                  ->Read([](Connection& connection) {
                    EXPECT_FALSE(FindBatch(connection, "u1", 1)->has_value());
                    return absl::OkStatus();
                  })
                  .ok());
  limit_pages("100000");
  EXPECT_TRUE(Insert(*database, Row("u1", "one")).ok());
  EXPECT_FALSE(database->IsFull());  // The ballast could be had again.
}

TEST(Migrations, RunOnceAndInOrder) {
  TempDir dir;
  const auto connection = *Connection::Open(dir.File("m.db"), Connection::Mode::kReadWrite);
  const Migration first[] = {{1, "CREATE TABLE a (x)"}};
  const Migration both[] = {{1, "CREATE TABLE a (x)"}, {2, "ALTER TABLE a ADD COLUMN y"}};
  ASSERT_TRUE(Migrate(*connection, first).ok());
  ASSERT_TRUE(Migrate(*connection, both).ok());
  ASSERT_TRUE(Migrate(*connection, both).ok());
  EXPECT_TRUE(connection->Execute("INSERT INTO a (x, y) VALUES (1, 2)").ok());
}

TEST(Migrations, FailedStepLeavesTheVersionBefore) {
  TempDir dir;
  const auto connection = *Connection::Open(dir.File("m.db"), Connection::Mode::kReadWrite);
  const Migration broken[] = {{1, "CREATE TABLE a (x); CREATE TABLE a (x)"}};
  EXPECT_THAT(std::string(Migrate(*connection, broken).message()), HasSubstr("schema version 1"));
  const Migration mended[] = {{1, "CREATE TABLE a (x)"}};
  EXPECT_TRUE(Migrate(*connection, mended).ok());
}

TEST(Migrations, DatabaseOfANewerVersionIsRefusedAndLeftAlone) {
  TempDir dir;
  {
    const auto connection = *Connection::Open(dir.File("test.db"), Connection::Mode::kReadWrite);
    const Migration future[] = {{99, "CREATE TABLE later (x)"}};
    ASSERT_TRUE(Migrate(*connection, future).ok());
  }
  Database::Options options;
  options.path = dir.File("test.db");
  const auto opened = Database::Open(options);
  EXPECT_EQ(ReasonOf(opened.status()), "STORE_TOO_NEW");
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("schema version 99"));
}

TEST(StateDir, SecondDaemonIsRefusedUntilTheFirstIsGone) {
  TempDir dir;
  auto first = StateDir::Open(dir.File("state"));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = StateDir::Open(dir.File("state"));
  EXPECT_EQ(ReasonOf(second.status()), "STATE_DIR_IN_USE");
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(absl::StrCat(getpid())));
  first->reset();
  EXPECT_TRUE(StateDir::Open(dir.File("state")).ok());
}

TEST(Database, FileThatIsNoDatabaseIsRefused) {
  TempDir dir;
  WriteWhole(dir.File("test.db"), std::string(8192, 'x'));
  Database::Options options;
  options.path = dir.File("test.db");
  EXPECT_EQ(ReasonOf(Database::Open(options).status()), "STORE_CORRUPT");
}

}  // namespace
}  // namespace skytrain
