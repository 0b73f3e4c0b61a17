// Images that both train and test, in sets put together from real survey images.
#include "server/data/duplicates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "server/data/container.h"
#include "server/data/image.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kSide = 64;

class DuplicatesTest : public testing::Test {
 protected:
  // The first `count` galaxies, all different.
  static std::vector<std::string> Galaxies(size_t count) {
    auto container =
        OpenContainer(absl::StrCat(SKYTRAIN_SOURCE_DIR, "/tests/data/galaxies3.tar"), {});
    EXPECT_TRUE(container.ok()) << container.status();
    std::vector<size_t> wanted;
    for (size_t i = 0; i < count; ++i) wanted.push_back(i);
    std::map<size_t, std::string> bytes;
    EXPECT_TRUE((*container)
                    ->Read(wanted, 1,
                           [&](size_t entry, absl::string_view content) {
                             bytes[entry] = std::string(content);
                             return true;
                           })
                    .ok());
    std::vector<std::string> images;
    for (auto& [unused, content] : bytes) images.push_back(std::move(content));
    return images;
  }

  // The pixels that the canvas gets of `image`, as PNG.
  std::string AsPng(const std::string& image) {
    std::vector<uint8_t> canvas(size_t{3} * kSide * kSide);
    EXPECT_TRUE(DecodeToCanvas(image, ViewOf(Options().data), canvas.data()).ok());
    const auto png = EncodePng(kSide, kSide, canvas.data());
    EXPECT_TRUE(png.ok());
    return *png;
  }

  OpenOptions Options() { return OptionsFor(dir_.File("set"), dir_.File("cache"), kSide); }

  std::unique_ptr<Dataset> Open(const OpenOptions& options) {
    auto set = OpenDataset(options);
    EXPECT_TRUE(set.ok()) << set.status();
    return *std::move(set);
  }

  TempDir dir_;
  const std::vector<std::string> galaxies_ = Galaxies(8);
};

TEST_F(DuplicatesTest, CopiesAcrossSplitsAreNamedAlsoOnReuse) {
  WriteFolder(dir_.File("set"), {{"train/a/one.jpg", galaxies_[0], ""},
                                 {"train/b/two.jpg", galaxies_[1], ""},
                                 {"train/b/six.jpg", galaxies_[5], ""},
                                 {"val/a/three.jpg", galaxies_[2], ""},
                                 {"val/b/again.jpg", galaxies_[1], ""},
                                 {"test/a/four.jpg", galaxies_[3], ""},
                                 {"test/b/five.jpg", galaxies_[4], ""},
                                 {"test/a/copy.jpg", galaxies_[0], ""}});
  for (const char* how : {"decoded", "from the cache"}) {
    const auto set = Open(Options());
    ASSERT_NE(set, nullptr);
    EXPECT_EQ(set->leaked(), 2) << how;
    EXPECT_THAT(set->leaked_names(),
                ElementsAre("again (validation) is two (train)", "copy (test) is one (train)"))
        << how;
  }
}

TEST_F(DuplicatesTest, TheSamePixelsInAnotherFormatCountAndOtherLabelsAreSaid) {
  WriteFolder(dir_.File("set"), {{"train/a/one.jpg", galaxies_[0], ""},
                                 {"train/b/two.jpg", galaxies_[1], ""},
                                 {"val/a/v.jpg", galaxies_[6], ""},
                                 {"val/b/w.jpg", galaxies_[7], ""},
                                 {"test/b/one_again.png", AsPng(galaxies_[0]), ""},
                                 {"test/a/three.jpg", galaxies_[2], ""}});
  OpenOptions options = Options();
  const auto set = Open(options);
  ASSERT_NE(set, nullptr);
  EXPECT_THAT(set->leaked_names(), ElementsAre("one_again (test, b) is one (train, a)"));
}

TEST_F(DuplicatesTest, CopiesWithinTrainAreNoLeakAndTwentyAreNamed) {
  std::vector<File> files = {{"train/b/two.jpg", galaxies_[1], ""},
                             {"val/a/v.jpg", galaxies_[6], ""},
                             {"val/b/w.jpg", galaxies_[7], ""}};
  for (int i = 0; i < 25; ++i) {
    files.push_back({absl::StrCat("train/a/", 100 + i, ".jpg"), galaxies_[0], ""});
  }
  for (const char* name : {"test/a/x.jpg", "test/b/y.jpg"})
    files.push_back({name, galaxies_[3], ""});
  WriteFolder(dir_.File("set"), files);
  OpenOptions options = Options();
  EXPECT_EQ(Open(options)->leaked(), 0);
  for (int i = 0; i < 25; ++i) {
    WriteFolder(dir_.File("set"), {{absl::StrCat("test/a/", 200 + i, ".jpg"), galaxies_[0], ""}});
  }
  const auto set = Open(options);
  EXPECT_EQ(set->leaked(), 25);
  EXPECT_THAT(set->leaked_names(), SizeIs(20));
}

TEST_F(DuplicatesTest, EqualDigestsOfOtherPixelsAreNoLeak) {
  WriteFolder(dir_.File("set"), {{"train/a/one.jpg", galaxies_[0], ""},
                                 {"train/b/two.jpg", galaxies_[1], ""},
                                 {"val/a/v.jpg", galaxies_[6], ""},
                                 {"val/b/w.jpg", galaxies_[7], ""},
                                 {"test/a/three.jpg", galaxies_[2], ""}});
  OpenOptions options = Options();
  const auto set = Open(options);
  ASSERT_NE(set, nullptr);
  EXPECT_THAT(FindLeaks(*set, std::vector<uint64_t>(set->count(), 7)).names, IsEmpty());
}

}  // namespace
}  // namespace skytrain::data
