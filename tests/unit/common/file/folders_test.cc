#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/file/file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

TEST(ParentOf, IsTheFolderThatHoldsThePath) {
  const std::pair<const char*, const char*> cases[] = {{"/a/b", "/a"},   {"/a", "/"}, {"/", "/"},
                                                       {"a/b/c", "a/b"}, {"a", "."},  {"", "."}};
  for (const auto& [path, parent] : cases) EXPECT_EQ(ParentOf(path), parent) << path;
}

TEST(MakeFolders, MakesWhatIsMissingWithTheMode) {
  TempDir dir;
  const std::string path = dir.File("a/b/c");
  ASSERT_TRUE(MakeFolders(path, 0700).ok());
  ASSERT_TRUE(MakeFolders(path, 0700).ok()) << "again";
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_TRUE(S_ISDIR(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST(MakeFolders, SaysWhichFolderCannotBeMade) {
  TempDir dir;
  WriteWhole(dir.File("file"), "");
  const absl::Status status = MakeFolders(dir.File("file/below"), 0700);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("file/below"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace skytrain
