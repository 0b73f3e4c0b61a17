#include "tests/support/vfs_shim.h"

#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/errors.h"
#include "common/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/database.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::Contains;
using ::testing::Not;
using Kind = VfsOperation::Kind;

// Keeps what was done and fails the operations of one kind when told to.
class Witness : public VfsObserver {
 public:
  struct Done {
    Kind kind;
    std::string path;
    bool operator==(const Done& other) const = default;
  };

  int Before(const VfsOperation& operation) override {
    MutexLock lock(mu_);
    return code_ != SQLITE_OK && operation.kind == kind_ ? code_ : SQLITE_OK;
  }
  void After(const VfsOperation& operation) override {
    MutexLock lock(mu_);
    done_.push_back({operation.kind, operation.path});
    bytes_ += operation.bytes.size();
  }
  void Fail(Kind kind, int code) {
    MutexLock lock(mu_);
    kind_ = kind;
    code_ = code;
  }
  std::vector<Done> Take() {
    MutexLock lock(mu_);
    return std::exchange(done_, {});
  }
  size_t bytes() {
    MutexLock lock(mu_);
    return bytes_;
  }

 private:
  Mutex mu_;
  Kind kind_ ABSL_GUARDED_BY(mu_) = Kind::kWrite;
  int code_ ABSL_GUARDED_BY(mu_) = SQLITE_OK;
  std::vector<Done> done_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

void PrintTo(const Witness::Done& done, std::ostream* out) {
  *out << static_cast<int>(done.kind) << " " << done.path;
}

class VfsShimTest : public testing::Test {
 protected:
  absl::Status Store(const std::string& value) {
    return database_->Write(Database::Priority::kControl, [&value](Connection& connection) {
      return connection.Execute("CREATE TABLE IF NOT EXISTS t (v TEXT); INSERT INTO t VALUES ('" +
                                value + "')");
    });
  }
  void Open() {
    Database::Options options;
    options.path = Path();
    options.vfs = shim_.name();
    options.on_fatal = [this](const absl::Status& error) { fatal_ = error; };
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  std::string Path() const { return dir_.File("test.db"); }

  TempDir dir_;
  Witness witness_;
  VfsShim shim_{"witness", witness_};
  absl::Status fatal_;
  std::unique_ptr<Database> database_;
};

TEST_F(VfsShimTest, TellsOfEachChangeOfACommit) {
  Open();
  const auto opening = witness_.Take();
  EXPECT_THAT(opening, Contains(Witness::Done{Kind::kCreate, Path()}));
  EXPECT_THAT(opening, Contains(Witness::Done{Kind::kCreate, Path() + "-wal"}));
  EXPECT_THAT(opening, Contains(Witness::Done{Kind::kShmMap, Path() + "-shm"}));
  EXPECT_THAT(opening, Contains(Witness::Done{Kind::kSyncDir, dir_.path()}));

  ASSERT_TRUE(Store(std::string(100'000, 'x')).ok());
  const auto commit = witness_.Take();
  EXPECT_GT(witness_.bytes(), 100'000u);
  EXPECT_THAT(commit, Contains(Witness::Done{Kind::kWrite, Path() + "-wal"}));
  // synchronous=FULL: the last that a commit does.
  EXPECT_EQ(commit.back(), (Witness::Done{Kind::kSync, Path() + "-wal"}));
  EXPECT_THAT(commit, Not(Contains(Witness::Done{Kind::kWrite, Path()})));

  database_.reset();
  EXPECT_THAT(witness_.Take(), Contains(Witness::Done{Kind::kDelete, Path() + "-wal"}));
}

TEST_F(VfsShimTest, AFaultIsWhatSqliteSees) {
  Open();
  ASSERT_TRUE(Store("before").ok());
  witness_.Fail(Kind::kWrite, SQLITE_FULL);
  EXPECT_EQ(ReasonOf(Store("full")), "STORE_FULL");
  witness_.Fail(Kind::kSync, SQLITE_IOERR_FSYNC);
  EXPECT_EQ(ReasonOf(Store("not synced")), "STORE_SYNC_FAILED");
  EXPECT_EQ(ReasonOf(fatal_), "STORE_SYNC_FAILED");
  witness_.Fail(Kind::kSync, SQLITE_OK);
  EXPECT_TRUE(Store("after").ok());
}

}  // namespace
}  // namespace skytrain
