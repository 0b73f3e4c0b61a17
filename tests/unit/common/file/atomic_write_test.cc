#include <gtest/gtest.h>

#include "common/file/file_system.h"
#include "tests/support/fault_injecting_file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using Kind = FaultInjectingFileSystem::Operation::Kind;

class AtomicWriteTest : public ::testing::Test {
 protected:
  TempDir dir_;
  const std::string path_ = dir_.File("control.binpb");
  FaultInjectingFileSystem fs_;
};

TEST_F(AtomicWriteTest, ReplacesTheContentAndLeavesNoTemporaryFile) {
  ASSERT_TRUE(WriteFileAtomically(fs_, path_, "one").ok());
  ASSERT_TRUE(WriteFileAtomically(fs_, path_, "two").ok());
  EXPECT_EQ(ReadWhole(path_), "two");
  EXPECT_EQ(fs_.ListDir(dir_.path()).value().size(), 1u);
}

TEST_F(AtomicWriteTest, SyncsBeforeTheRenameAndTheFolderAfterIt) {
  ASSERT_TRUE(WriteFileAtomically(fs_, path_, "one").ok());
  std::vector<Kind> kinds;
  for (const auto& operation : fs_.operations()) kinds.push_back(operation.kind);
  EXPECT_EQ(kinds, (std::vector<Kind>{Kind::kCreate, Kind::kAppend, Kind::kSync, Kind::kClose,
                                      Kind::kRename, Kind::kSyncDir}));
}

TEST_F(AtomicWriteTest, AfterAFaultAnywhereTheOldOrTheNewContentIsThereWhole) {
  for (size_t number = 0; number < 6; ++number) {
    SCOPED_TRACE(number);
    ASSERT_TRUE(WriteFileAtomically(fs_, path_, "old").ok());
    fs_.FailOperation(number, absl::ResourceExhaustedError("full"), 1);
    EXPECT_TRUE(absl::IsResourceExhausted(WriteFileAtomically(fs_, path_, "new")));
    const std::string content = ReadWhole(path_);
    EXPECT_EQ(content, number < 5 ? "old" : "new");
  }
}

TEST_F(AtomicWriteTest, ATemporaryFileOfADeadWriterIsNoHindrance) {
  WriteWhole(path_ + ".tmp", "torn");
  ASSERT_TRUE(WriteFileAtomically(fs_, path_, "new").ok());
  EXPECT_EQ(ReadWhole(path_), "new");
}

TEST_F(AtomicWriteTest, WhatIsWrittenSurvivesAPowerLoss) {
  ASSERT_TRUE(WriteFileAtomically(fs_, path_, "new").ok());
  fs_.DropUnsynced();
  EXPECT_EQ(ReadWhole(path_), "new");
}

TEST(FaultInjectingFileSystemTest, APowerLossTakesUnsyncedBytesAndNames) {
  TempDir dir;
  FaultInjectingFileSystem fs;
  auto synced = fs.CreateExclusive(dir.File("synced"));
  ASSERT_TRUE((*synced)->Append("kept").ok());
  ASSERT_TRUE((*synced)->Sync().ok());
  ASSERT_TRUE((*synced)->Append("lost").ok());
  ASSERT_TRUE(fs.SyncDir(dir.path()).ok());
  auto unnamed = fs.CreateExclusive(dir.File("unnamed"));
  ASSERT_TRUE((*unnamed)->Append("lost").ok());
  ASSERT_TRUE((*unnamed)->Sync().ok());
  fs.DropUnsynced();
  EXPECT_EQ(ReadWhole(dir.File("synced")), "kept");
  EXPECT_FALSE(fs.Exists(dir.File("unnamed")));
}

}  // namespace
}  // namespace skytrain
