// Whole sets of our own making: layouts, containers, labels, splits.
#include "server/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> SplitNames(const v1::DatasetManifest& manifest) {
  std::vector<std::string> names;
  for (const auto& split : manifest.splits()) {
    names.push_back(absl::StrCat(split.name(), ":", split.count()));
  }
  return names;
}

std::vector<std::string> ClassNames(const v1::DatasetManifest& manifest) {
  std::vector<std::string> names;
  for (const auto& c : manifest.classes()) names.push_back(absl::StrCat(c.name(), ":", c.count()));
  return names;
}

v1::DatasetManifest Inspect(const std::string& path) {
  v1::Data data;
  data.set_dataset(path);
  auto manifest = InspectDataset(data, {}, {});
  EXPECT_TRUE(manifest.ok()) << manifest.status();
  return manifest.ok() ? *manifest : v1::DatasetManifest();
}

struct Layout {
  const char* name;
  std::vector<std::pair<std::string, int>> files;
  std::vector<std::string> classes, splits;
};
class EveryLayout : public testing::TestWithParam<Layout> {};

TEST_P(EveryLayout, IsUnderstoodInEveryContainer) {
  TempDir dir;
  const std::vector<File> files = ImageFiles(GetParam().files);
  // The names say nothing: what a file is decides.
  const std::pair<Pack, const char*> packs[] = {
      {Pack::kTar, "a.zip"}, {Pack::kPaxTar, "b.dat"}, {Pack::kTarGz, "c.tar"}, {Pack::kZip, "d"}};
  for (const auto& [pack, name] : packs) WriteArchive(dir.File(name), files, pack);
  WriteFolder(dir.File("folder"), files);
  for (const char* name : {"a.zip", "b.dat", "c.tar", "d", "folder"}) {
    const v1::DatasetManifest manifest = Inspect(dir.File(name));
    EXPECT_EQ(ClassNames(manifest), GetParam().classes) << name;
    EXPECT_EQ(SplitNames(manifest), GetParam().splits) << name;
    EXPECT_EQ(manifest.min_width(), 40) << name;
    EXPECT_THAT(manifest.problems(), IsEmpty()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, EveryLayout,
    testing::Values(
        Layout{"Classes", {{"spiral", 3}, {"edge_on", 2}}, {"edge_on:2", "spiral:3"}, {}},
        Layout{"SplitsAndClasses",
               {{"train/a", 3}, {"train/b", 2}, {"test/a", 1}},
               {"a:4", "b:2"},
               {"test:1", "train:5"}},
        Layout{"RootSplitsClasses",
               {{"my data/v2/Train/a", 3}, {"my data/v2/Train/b b", 2}, {"my data/v2/valid/a", 1}},
               {"a:4", "b b:2"},
               {"Train:5", "valid:1"}},
        Layout{"NestedBelowClasses", {{"a/x/y", 2}, {"a/z", 1}, {"b", 2}}, {"a:3", "b:2"}, {}},
        Layout{"OneSplit", {{"train/a", 2}, {"train/b", 2}}, {"a:2", "b:2"}, {"train:4"}},
        Layout{"NumbersByValue", {{"10", 1}, {"9", 1}, {"2", 1}}, {"2:1", "9:1", "10:1"}, {}}),
    [](const auto& info) { return info.param.name; });

TEST(ImageFolder, IgnoresJunkHiddenFilesAndWhatIsNoImage) {
  TempDir dir;
  std::vector<File> files = ImageFiles({{"a", 2}, {"b", 2}});
  files.push_back({"a/._100.jpg", "macOS", ""});
  files.push_back({".hidden/c/1.jpg", MakeJpeg(9, 9), ""});
  files.push_back({"__MACOSX/a/._100.jpg", "macOS", ""});
  files.push_back({"a/.DS_Store", "x", ""});
  files.push_back({"README.txt", "read me", ""});
  files.push_back({"a/notes.csv", "1,2", ""});
  for (const Pack pack : {Pack::kTar, Pack::kZip}) {
    WriteArchive(dir.File("set"), files, pack);
    EXPECT_THAT(ClassNames(Inspect(dir.File("set"))), ElementsAre("a:2", "b:2"));
  }
  WriteFolder(dir.File("folder"), files);
  EXPECT_THAT(ClassNames(Inspect(dir.File("folder"))), ElementsAre("a:2", "b:2"));
}

TEST(ImageFolder, ImageWithoutSuffixIsKnownByItsBytes) {
  TempDir dir;
  WriteArchive(dir.File("set"),
               {{"a/J1+2.5", MakeJpeg(20, 20), ""}, {"b/x.jpg", MakeJpeg(20, 20), ""}}, Pack::kTar);
  EXPECT_THAT(ClassNames(Inspect(dir.File("set"))), ElementsAre("a:1", "b:1"));
  auto set = OpenDataset(OptionsFor(dir.File("set"), dir.File("cache")));
  ASSERT_FALSE(set.ok());  // b has no sample left to train on once a tenth validates.
}

TEST(ImageFolder, LongNamesInTarsAreReadAtTheRightPlace) {
  TempDir dir;
  const std::string deep(120, 'd'), file(150, 'f');
  WriteArchive(dir.File("set"),
               {{absl::StrCat("a/", deep, "/", file, ".jpg"), MakeJpeg(21, 20), ""},
                {"b/x.jpg", MakeJpeg(20, 22), ""}},
               Pack::kPaxTar);
  const v1::DatasetManifest manifest = Inspect(dir.File("set"));
  EXPECT_THAT(ClassNames(manifest), ElementsAre("a:1", "b:1"));
  EXPECT_EQ(manifest.max_width(), 21);
  EXPECT_EQ(manifest.max_height(), 22);
}

TEST(ImageFolder, IdsAreStemsWithFolderAndSuffixOnlyWhereTheyMust) {
  TempDir dir;
  const std::string jpeg = MakeJpeg(20, 20);
  WriteFolder(dir.File("set"), {{"a/J0004+02.0.jpg", jpeg, ""},
                                {"a/1.jpg", jpeg, ""},
                                {"a/2.jpeg", jpeg, ""},
                                {"b/1.JPG", jpeg, ""},
                                {"b/3.png", jpeg, ""},
                                {"b/4.jpg", jpeg, ""},
                                {"b/4.png", jpeg, ""}});
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  options.data.mutable_splits()->mutable_validation()->set_fraction(0.2);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->ids(),
              ElementsAre("a/1", "2", "J0004+02.0", "b/1", "3", "b/4.jpg", "b/4.png"));
}

TEST(OpenDataset, GivesTheSameSamplesInTheSameOrderFromEveryContainer) {
  TempDir dir;
  std::vector<File> files = ImageFiles({{"train/a", 20}, {"train/b", 10}, {"val/a", 4}});
  WriteFolder(dir.File("folder"), files);
  std::reverse(files.begin(), files.end());
  WriteArchive(dir.File("tar"), files, Pack::kTar);
  WriteArchive(dir.File("zip"), files, Pack::kZip);
  WriteArchive(dir.File("tgz"), files, Pack::kTarGz);
  const auto first = OpenDataset(OptionsFor(dir.File("folder"), dir.File("cache")));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->count(), 34);
  EXPECT_EQ((*first)->height(), 16);
  EXPECT_THAT((*first)->pixels(), SizeIs(34 * 16 * 16 * 3));
  EXPECT_THAT((*first)->train(), SizeIs(27));
  EXPECT_THAT((*first)->validation(), SizeIs(3));
  EXPECT_THAT((*first)->test(), SizeIs(4));
  for (const char* name : {"tar", "zip", "tgz"}) {
    const auto other = OpenDataset(OptionsFor(dir.File(name), dir.File("cache")));
    ASSERT_TRUE(other.ok()) << name << other.status();
    EXPECT_EQ((*other)->ids(), (*first)->ids()) << name;
    EXPECT_EQ((*other)->labels(), (*first)->labels()) << name;
    EXPECT_EQ((*other)->train(), (*first)->train()) << name;
    EXPECT_EQ((*other)->validation(), (*first)->validation()) << name;
    EXPECT_EQ((*other)->pixels(), (*first)->pixels()) << name;
  }
}

TEST(OpenDataset, SplitsAreDisjointStratifiedAndDecidedByTheirSeed) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"a", 40}, {"b", 20}}));
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  options.data.mutable_splits()->mutable_validation()->set_fraction(0.2);
  options.data.mutable_splits()->mutable_test()->set_fraction(0.1);
  const auto set = OpenDataset(options), again = OpenDataset(options);
  options.data.mutable_splits()->mutable_validation()->set_seed(1);
  const auto other = OpenDataset(options);
  ASSERT_TRUE(set.ok() && again.ok() && other.ok()) << set.status();
  std::set<int64_t> all;
  for (const auto* split : {&(*set)->train(), &(*set)->validation(), &(*set)->test()}) {
    all.insert(split->begin(), split->end());
  }
  EXPECT_THAT(all, SizeIs(60));
  EXPECT_THAT((*set)->train(), SizeIs(42));
  int of_a = 0;
  for (const int64_t i : (*set)->validation()) of_a += (*set)->labels()[i] == 0;
  EXPECT_EQ(of_a, 8);
  EXPECT_EQ((*set)->validation(), (*again)->validation());
  EXPECT_EQ((*set)->test(), (*other)->test());
  EXPECT_NE((*set)->validation(), (*other)->validation());
}

TEST(OpenDataset, FoldsCoverAllAndShareNothing) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"a", 13}, {"b", 22}}));
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  auto* kfold = options.data.mutable_splits()->mutable_test()->mutable_kfold();
  kfold->set_folds(5);
  std::vector<int64_t> tested;
  for (int fold = 0; fold < 5; ++fold) {
    kfold->set_fold(fold);
    const auto set = OpenDataset(options);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_THAT((*set)->test(), SizeIs(7));
    tested.insert(tested.end(), (*set)->test().begin(), (*set)->test().end());
    std::vector<int64_t> all = (*set)->train();
    for (const auto* split : {&(*set)->validation(), &(*set)->test()}) {
      all.insert(all.end(), split->begin(), split->end());
    }
    EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 35u);
    EXPECT_EQ(all.size(), 35u);
  }
  EXPECT_EQ(std::set<int64_t>(tested.begin(), tested.end()).size(), 35u);
  // Not the set's order, which may be by anything.
  EXPECT_FALSE(std::is_sorted(tested.begin(), tested.end()));
}

TEST(OpenDataset, MergedClassesAreOneAndDroppedOnesAreInNoSplit) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"train/a", 10},
                                           {"train/b", 10},
                                           {"train/c", 10},
                                           {"train/d", 10},
                                           {"test/a", 2},
                                           {"test/d", 3}}));
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  v1::Classes& classes = *options.data.mutable_classes();
  (*classes.mutable_merge())["z"].add_names("a");
  (*classes.mutable_merge())["z"].add_names("b");
  classes.add_drop("d");
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->classes(), ElementsAre("c", "z"));
  EXPECT_EQ((*set)->train().size() + (*set)->validation().size(), 30u);
  EXPECT_THAT((*set)->test(), SizeIs(2));
  for (const int64_t i : (*set)->test()) EXPECT_EQ((*set)->labels()[i], 1);
  for (const int64_t i : (*set)->train()) {
    EXPECT_EQ((*set)->labels()[i], (*set)->ids()[i] >= "120" && (*set)->ids()[i] < "130" ? 0 : 1);
  }
  // The same when a model that knows the merged classes is evaluated.
  options.evaluation = true;
  options.classes = {"z", "c"};
  const auto evaluated = OpenDataset(options);
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  EXPECT_THAT((*evaluated)->test(), SizeIs(2));
  EXPECT_EQ((*evaluated)->labels()[(*evaluated)->test()[0]], 0);

  classes.add_drop("e");
  EXPECT_THAT(std::string(OpenDataset(options).status().message()), HasSubstr("no class"));
}

TEST(OpenDataset, JoinsImagesAndTableByIdsAsText) {
  TempDir dir;
  std::vector<File> files;
  std::string table = "\"OBJID\",kind,part\r\n";
  for (int i = 0; i < 20; ++i) {
    // Differ only in digits that a double does not hold.
    const std::string id = absl::StrCat("5888489015372023", 10 + i);
    files.push_back({absl::StrCat("images/", id, ".jpeg"), MakeJpeg(30, 30, i % 6), ""});
    absl::StrAppend(&table, id, ",", i % 2 ? "spiral" : "edge", ",", i < 15 ? "train" : "test",
                    "\r\n");
  }
  WriteArchive(dir.File("images.tar"), files, Pack::kTar);
  WriteWhole(dir.File("labels.csv"), table);
  auto options = OptionsFor("", dir.File("cache"));
  auto* in = options.data.mutable_files();
  in->add_images(dir.File("images.tar"));
  in->set_table(dir.File("labels.csv"));
  in->set_id("OBJID");
  in->set_split("part");
  options.targets.class_column = "kind";
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->count(), 20);
  EXPECT_EQ((*set)->ids()[3], "588848901537202313");
  EXPECT_THAT((*set)->classes(), ElementsAre("edge", "spiral"));
  EXPECT_EQ((*set)->labels()[3], 1);
  EXPECT_THAT((*set)->test(), SizeIs(5));
  // The class is the only other column: it need not be named.
  options.targets.class_column.clear();
  EXPECT_TRUE(OpenDataset(options).ok());
  // Without the split column there are two to choose from.
  in->clear_split();
  EXPECT_THAT(std::string(OpenDataset(options).status().message()), HasSubstr("say which column"));
}

TEST(OpenDataset, EvaluationMapsLabelsOntoTheModelsClasses) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"train/b", 3}, {"test/b", 2}, {"test/c", 4}}));
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  options.evaluation = true;
  options.classes = {"a", "b", "c"};
  auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->test(), SizeIs(6));
  EXPECT_THAT((*set)->classes(), ElementsAre("a", "b", "c"));
  EXPECT_EQ((*set)->labels()[(*set)->test()[0]], 1);
  EXPECT_EQ((*set)->labels()[(*set)->test()[5]], 2);
  options.evaluation_split = "train";
  EXPECT_THAT((*OpenDataset(options))->test(), SizeIs(3));
  options.evaluation_split = "tests";
  EXPECT_THAT(std::string(OpenDataset(options).status().message()),
              HasSubstr("did you mean test?"));
  options.evaluation_split = "";
  options.evaluation = true;
  options.classes = {"a", "b"};
  EXPECT_THAT(std::string(OpenDataset(options).status().message()),
              HasSubstr("classes that the model does not know: c"));
}

TEST(OpenDataset, EvaluatesAllSamplesOfASetWithoutSplits) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"a", 2}, {"b", 1}}));
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  options.evaluation = true;
  options.classes = {"a", "b"};
  EXPECT_THAT((*OpenDataset(options))->test(), SizeIs(3));
}

TEST(OpenDataset, StopsWhenAskedAndLeavesNothingBehind) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"a", 8}, {"b", 8}}));
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  options.stop = [] { return true; };
  EXPECT_EQ(OpenDataset(options).status().code(), absl::StatusCode::kCancelled);
  for (const auto& file : std::filesystem::directory_iterator(dir.File("cache"))) {
    EXPECT_EQ(file.path().extension(), ".lock");
  }
}

TEST(OpenDataset, ReportsProgressUpToTheLastImage) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"a", 8}, {"b", 8}}));
  auto options = OptionsFor(dir.File("set"), dir.File("cache"));
  int64_t last = 0, all = 0;
  options.progress = [&](int64_t done, int64_t total) {
    last = std::max(last, done);
    all = total;
  };
  ASSERT_TRUE(OpenDataset(options).ok());
  EXPECT_EQ(last, 16);
  EXPECT_EQ(all, 16);
}

TEST(OpenDataset, RelativePathsAreLookedForBelowTheDataRoots) {
  TempDir dir;
  WriteFolder(dir.File("root/set"), ImageFiles({{"a", 8}, {"b", 8}}));
  auto options = OptionsFor("set", dir.File("cache"));
  options.data_roots = {dir.File("other"), dir.File("root")};
  EXPECT_TRUE(OpenDataset(options).ok()) << OpenDataset(options).status();
}

}  // namespace
}  // namespace skytrain::data
