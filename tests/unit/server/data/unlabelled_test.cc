// Samples that are only predicted: no class, no targets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "common/errors.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

OpenOptions Unlabelled(const std::string& path, const TempDir& dir) {
  OpenOptions options = OptionsFor(path, dir.File("cache"));
  options.targets.unlabelled = true;
  options.evaluation = true;
  options.classes = {"a", "b"};  // Of the model; nothing is mapped onto them.
  return options;
}

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

spec::TargetColumns Nothing() {
  spec::TargetColumns targets;
  targets.unlabelled = true;
  return targets;
}

TEST(Unlabelled, EveryImageOfAFolderOrArchiveIsASampleWhateverItsFolder) {
  const TempDir dir;
  const std::vector<File> files = {{"b.jpg", MakeJpeg(40, 40, 1), ""},
                                   {"a.jpg", MakeJpeg(40, 40, 2), ""},
                                   {"train/x/c.jpg", MakeJpeg(40, 40, 3), ""},
                                   {"other/b.jpg", MakeJpeg(40, 40, 4), ""},
                                   {"empty/", "", ""},
                                   {"notes.txt", "no image", ""}};
  WriteFolder(dir.File("folder"), files);
  WriteArchive(dir.File("tar"), files, Pack::kTar);
  WriteArchive(dir.File("zip"), files, Pack::kZip);
  for (const char* name : {"folder", "tar", "zip"}) {
    const auto set = OpenDataset(Unlabelled(dir.File(name), dir));
    ASSERT_TRUE(set.ok()) << name << ": " << set.status();
    EXPECT_THAT((*set)->ids(), UnorderedElementsAre("a", "b", "c", "other/b")) << name;
    EXPECT_THAT((*set)->test(), ElementsAre(0, 1, 2, 3)) << name;
    EXPECT_THAT((*set)->train(), IsEmpty()) << name;
    EXPECT_THAT((*set)->classes(), IsEmpty()) << name;
    EXPECT_FALSE((*set)->labelled()) << name;
    v1::Data data;
    data.set_dataset(dir.File(name));
    const auto manifest = InspectDataset(data, Nothing(), {});
    ASSERT_TRUE(manifest.ok()) << name << ": " << manifest.status();
    EXPECT_EQ(manifest->count(), 4) << name;
    EXPECT_THAT(manifest->problems(), IsEmpty()) << name;
  }
  // With labels the same folder is refused, and neither answer is found in the other's cache.
  OpenOptions labelled = OptionsFor(dir.File("folder"), dir.File("cache"));
  EXPECT_EQ(ReasonOf(OpenDataset(labelled).status()), "DATA_INVALID");
}

TEST(Unlabelled, LabelledSetKeepsNoClassAndNoSplit) {
  const TempDir dir;
  WriteArchive(dir.File("set"), ImageFiles({{"train/x", 9}, {"train/y", 9}, {"test/y", 2}}),
               Pack::kTar);
  const auto set = OpenDataset(Unlabelled(dir.File("set"), dir));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->test(), SizeIs(20));
  EXPECT_FALSE((*set)->labelled());
  // Decoded once for each: the cache of one is not taken for the other's.
  const auto labelled = OpenDataset(OptionsFor(dir.File("set"), dir.File("cache")));
  ASSERT_TRUE(labelled.ok()) << labelled.status();
  EXPECT_THAT((*labelled)->classes(), ElementsAre("x", "y"));
}

TEST(Unlabelled, OneImageIsASetOfOne) {
  const TempDir dir;
  Write(dir.File("galaxy.jpg"), MakeJpeg(50, 40, 3));
  const auto set = OpenDataset(Unlabelled(dir.File("galaxy.jpg"), dir));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->ids(), ElementsAre("galaxy"));
  EXPECT_EQ(ReasonOf(OpenDataset(OptionsFor(dir.File("galaxy.jpg"), dir.File("cache"))).status()),
            "DATA_INVALID");
}

TEST(Unlabelled, BrokenImagesAreNamedOrLeftOutAsElsewhere) {
  const TempDir dir;
  WriteFolder(dir.File("set"), {{"a.jpg", MakeJpeg(40, 40), ""}, {"torn.jpg", "\xff\xd8\xff", ""}});
  OpenOptions options = Unlabelled(dir.File("set"), dir);
  const absl::Status refused = OpenDataset(options).status();
  EXPECT_EQ(ReasonOf(refused), "DATA_INVALID");
  EXPECT_THAT(refused.message(), HasSubstr("torn.jpg"));
  options.data.set_corrupt(v1::Data::POLICY_SKIP);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->ids(), ElementsAre("a"));
  WriteFolder(dir.File("none"), {{"notes.txt", "no image", ""}});
  EXPECT_EQ(ReasonOf(OpenDataset(Unlabelled(dir.File("none"), dir)).status()), "DATA_INVALID");
}

TEST(Unlabelled, TableWithImagesGivesIdsAlone) {
  const TempDir dir;
  WriteFolder(dir.File("images"),
              {{"7.jpg", MakeJpeg(40, 40, 1), ""}, {"8.jpg", MakeJpeg(40, 40, 2), ""}});
  Write(dir.File("table.csv"), "objid,ra\n7,1.5\n8,nowhere\n");
  OpenOptions options = Unlabelled("", dir);
  options.data.mutable_files()->add_images(dir.File("images"));
  options.data.mutable_files()->set_table(dir.File("table.csv"));
  options.data.mutable_files()->set_id("objid");
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->ids(), ElementsAre("7", "8"));
  EXPECT_FALSE((*set)->labelled());
}

TEST(Unlabelled, TableNeedsTheModelsColumnsAlone) {
  const TempDir dir;
  Write(dir.File("t.csv"), "name,y,x\nfirst,2,1\nsecond,4,3\n");
  OpenOptions options = Unlabelled(dir.File("t.csv"), dir);
  options.features = {"x", "y"};
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->features(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT((*set)->ids(), ElementsAre("1", "2"));
  EXPECT_THAT((*set)->test(), ElementsAre(0, 1));
  options.features = {"x", "z"};
  const absl::Status refused = OpenDataset(options).status();
  EXPECT_EQ(ReasonOf(refused), "DATA_INVALID");
  EXPECT_THAT(refused.message(), HasSubstr("\"z\""));
  v1::Data data;
  data.set_dataset(dir.File("t.csv"));
  const auto manifest = InspectDataset(data, Nothing(), {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 2);
  EXPECT_THAT(manifest->columns(), ElementsAre("name", "y", "x"));
}

// Before any task is known: which of several columns is the class, nobody can say yet.
TEST(Undecided, TableIsDescribedUnlessOneColumnStandsOut) {
  const TempDir dir;
  v1::Data data;
  data.set_dataset(dir.File("t.csv"));
  spec::TargetColumns targets;
  targets.undecided = true;
  const struct {
    const char *text, *target;
    size_t columns, classes;
  } kCases[] = {{"x,y\n1,2\n3,4\n", "", 2, 0},
                {"kind,field,x\na,n,1\na,s,2\n", "", 3, 0},
                {"name,x\nfirst,1\nsecond,2\n", "", 2, 0},
                {"kind,x\na,1\nb,2\na,3\n", "kind", 1, 2}};
  for (const auto& c : kCases) {
    Write(dir.File("t.csv"), c.text);
    const auto manifest = InspectDataset(data, targets, {});
    ASSERT_TRUE(manifest.ok()) << c.text << manifest.status();
    EXPECT_EQ(manifest->target(), c.target) << c.text;
    EXPECT_EQ(static_cast<size_t>(manifest->columns_size()), c.columns) << c.text;
    EXPECT_EQ(static_cast<size_t>(manifest->classes_size()), c.classes) << c.text;
  }
}

TEST(Undecided, ImagesWithACatalogOfManyColumnsHaveNoClass) {
  const TempDir dir;
  WriteFolder(dir.File("images"),
              {{"7.jpg", MakeJpeg(40, 40, 1), ""}, {"8.jpg", MakeJpeg(40, 40, 2), ""}});
  Write(dir.File("table.csv"), "objid,ring_yes,ring_no\n7,3,4\n8,5,6\n");
  v1::Data data;
  data.mutable_files()->add_images(dir.File("images"));
  data.mutable_files()->set_table(dir.File("table.csv"));
  data.mutable_files()->set_id("objid");
  spec::TargetColumns targets;
  EXPECT_THAT(InspectDataset(data, targets, {}).status().message(), HasSubstr("say which column"));
  targets.undecided = true;
  const auto manifest = InspectDataset(data, targets, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 2);
  EXPECT_EQ(manifest->classes_size(), 0);
  EXPECT_EQ(manifest->target(), "");
}

// Columns used to be taken by their places: another order of the same ones went unnoticed.
TEST(Evaluation, TakesATablesColumnsByTheirNames) {
  const TempDir dir;
  Write(dir.File("t.csv"), "kind,y,x\na,2,1\nb,4,3\n");
  OpenOptions options = OptionsFor(dir.File("t.csv"), dir.File("cache"));
  options.targets = ClassIn("kind");
  options.evaluation = true;
  options.classes = {"a", "b"};
  options.features = {"x", "y"};
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->features(), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace skytrain::data
