#include "tests/support/disk_log.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/recording_disk.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using Loss = DiskImage::Loss;

class DiskLogTest : public testing::Test {
 protected:
  std::map<std::string, std::string> After(Loss loss) {
    DiskImage image;
    for (const DiskOperation& operation : log_.operations()) image.Apply(operation);
    return image.After(loss);
  }
  std::unique_ptr<WritableFile> Create(const std::string& name, const std::string& bytes) {
    auto file = fs_.CreateExclusive(dir_.File(name));
    EXPECT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE((*file)->Append(bytes).ok());
    return *std::move(file);
  }

  TempDir dir_;
  DiskLog log_{dir_.path()};
  RecordingFileSystem fs_{log_};
};

TEST_F(DiskLogTest, ASyncOfAFileHoldsItsBytesAndASyncOfTheFolderItsName) {
  const auto file = Create("a", "12345678");
  EXPECT_THAT(After(Loss::kEverything), IsEmpty());
  EXPECT_THAT(After(Loss::kBytes), ElementsAre(Pair("a", "")));
  EXPECT_THAT(After(Loss::kTorn), ElementsAre(Pair("a", std::string("1234\0\0\0\0", 8))));
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_THAT(After(Loss::kEverything), IsEmpty());
  EXPECT_THAT(After(Loss::kBytes), ElementsAre(Pair("a", "12345678")));
  ASSERT_TRUE(fs_.SyncDir(dir_.path()).ok());
  ASSERT_TRUE(file->Append("9").ok());
  EXPECT_THAT(After(Loss::kEverything), ElementsAre(Pair("a", "12345678")));
  EXPECT_THAT(After(Loss::kNames), ElementsAre(Pair("a", "123456789")));
  EXPECT_EQ(ReadWhole(dir_.File("a")), "123456789");
}

TEST_F(DiskLogTest, ARenameLastsOnceBothFoldersAreSynced) {
  ASSERT_TRUE(fs_.CreateDir(dir_.File("from")).ok());
  ASSERT_TRUE(fs_.CreateDir(dir_.File("to")).ok());
  ASSERT_TRUE(fs_.SyncDir(dir_.path()).ok());
  ASSERT_TRUE(WriteFileAtomically(fs_, dir_.File("from/a"), "x").ok());
  ASSERT_TRUE(fs_.Rename(dir_.File("from/a"), dir_.File("to/b")).ok());
  EXPECT_THAT(After(Loss::kEverything),
              UnorderedElementsAre(Pair("from/", ""), Pair("from/a", "x"), Pair("to/", "")));
  ASSERT_TRUE(fs_.SyncDir(dir_.File("to")).ok());
  EXPECT_THAT(After(Loss::kEverything), UnorderedElementsAre(Pair("from/", ""), Pair("from/a", "x"),
                                                             Pair("to/", ""), Pair("to/b", "x")));
  ASSERT_TRUE(fs_.SyncDir(dir_.File("from")).ok());
  EXPECT_THAT(After(Loss::kEverything),
              UnorderedElementsAre(Pair("from/", ""), Pair("to/", ""), Pair("to/b", "x")));
}

TEST_F(DiskLogTest, ASyncHoldsWhatWasWrittenBeforeItBegan) {
  ASSERT_TRUE(fs_.SyncDir(dir_.path()).ok());
  const auto file = Create("a", "before");
  ASSERT_TRUE(fs_.SyncDir(dir_.path()).ok());
  const uint64_t sync = log_.BeginSync(dir_.File("a"), false);
  ASSERT_TRUE(file->Append(" meanwhile").ok());
  EXPECT_THAT(After(Loss::kEverything), ElementsAre(Pair("a", "")));
  log_.EndSync(sync);
  EXPECT_THAT(After(Loss::kEverything), ElementsAre(Pair("a", "before")));
}

TEST_F(DiskLogTest, AnImageOfAllOperationsIsTheFolder) {
  ASSERT_TRUE(fs_.CreateDir(dir_.File("folder")).ok());
  ASSERT_TRUE(fs_.Reserve(dir_.File("folder/reserved"), 4).ok());
  ASSERT_TRUE(fs_.Overwrite(dir_.File("folder/reserved"), "ab").ok());
  ASSERT_TRUE(fs_.Link(dir_.File("folder/reserved"), dir_.File("link")).ok());
  ASSERT_TRUE(fs_.CreateDir(dir_.File("gone")).ok());
  Create("gone/file", "x");
  ASSERT_TRUE(fs_.RemoveTree(dir_.File("gone")).ok());
  const auto files = After(Loss::kNothing);
  EXPECT_THAT(files, UnorderedElementsAre(Pair("folder/", ""),
                                          Pair("folder/reserved", std::string("ab\0\0", 4)),
                                          Pair("link", std::string("ab\0\0", 4))));
  const TempDir copy;
  WriteFiles(files, copy.path());
  EXPECT_EQ(ReadWhole(copy.File("folder/reserved")), ReadWhole(dir_.File("link")));
}

}  // namespace
}  // namespace skytrain
