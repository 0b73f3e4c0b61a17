// Real data sets: the small ones of the repository always, the others where the machine has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Sample(const std::string& name) {
  return absl::StrCat(SKYTRAIN_SOURCE_DIR, "/tests/data/", name);
}

std::vector<int> CountsOf(const Dataset& set, const std::vector<int64_t>& samples) {
  std::vector<int> counts(set.classes().size());
  for (const int64_t i : samples) ++counts[set.labels()[i]];
  return counts;
}

TEST(RealSets, Galaxies3) {
  TempDir dir;
  const auto set = OpenDataset(OptionsFor(Sample("galaxies3.tar"), dir.File("cache"), 64));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->classes(), ElementsAre("edge_on", "elliptical", "spiral"));
  EXPECT_THAT(CountsOf(**set, (*set)->train()), ElementsAre(216, 216, 216));
  EXPECT_THAT(CountsOf(**set, (*set)->validation()), ElementsAre(24, 24, 24));
  EXPECT_THAT(CountsOf(**set, (*set)->test()), ElementsAre(60, 60, 60));
  // A galaxy is brighter in the middle than at the corners, on the mean of all.
  double middle = 0, corner = 0;
  for (int64_t i = 0; i < (*set)->count(); ++i) {
    const uint8_t* image = &(*set)->pixels()[i * 64 * 64 * 3];
    middle += image[(32 * 64 + 32) * 3];
    corner += image[0];
  }
  EXPECT_GT(middle, 3 * corner);
}

TEST(RealSets, Galaxies3LabelsTableSaysTheSameAsTheFolders) {
  TempDir dir;
  const auto folders = OpenDataset(OptionsFor(Sample("galaxies3.tar"), dir.File("cache"), 32));
  OpenOptions options = OptionsFor("", dir.File("cache"), 32);
  auto* files = options.data.mutable_files();
  files->add_images(Sample("galaxies3.tar"));
  files->set_table(Sample("galaxies3_labels.csv"));
  files->set_id("OBJID");
  files->set_split("split");
  const auto table = OpenDataset(options);
  ASSERT_TRUE(folders.ok() && table.ok()) << table.status();
  auto labelled = [](const Dataset& set) {
    std::set<std::pair<std::string, std::string>> pairs;
    for (int64_t i = 0; i < set.count(); ++i) {
      pairs.emplace(set.ids()[i], set.classes()[set.labels()[i]]);
    }
    return pairs;
  };
  EXPECT_EQ(labelled(**folders), labelled(**table));
  EXPECT_THAT((*table)->test(), SizeIs(180));
}

TEST(RealSets, Iris) {
  TempDir dir;
  OpenOptions options = OptionsFor(Sample("iris.csv"), dir.File("cache"));
  options.data.clear_image();
  for (const char* target : {"", "Species"}) {
    options.targets.class_column = target;
    const auto set = OpenDataset(options);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ((*set)->count(), 150);
    EXPECT_EQ((*set)->columns(), 4);
    EXPECT_THAT((*set)->pixels(), IsEmpty());
    EXPECT_THAT((*set)->classes(), ElementsAre("setosa", "versicolor", "virginica"));
    EXPECT_THAT(CountsOf(**set, (*set)->validation()), ElementsAre(5, 5, 5));
    EXPECT_THAT((*set)->test(), IsEmpty());
    double sum = 0;
    for (int64_t i = 0; i < 150; ++i) sum += (*set)->features()[i * 4];
    EXPECT_NEAR(sum / 150, 5.843333, 1e-5);
    EXPECT_EQ((*set)->ids()[0], "1");
    EXPECT_EQ((*set)->manifest().columns(2), "Petal.Length");
  }
}

TEST(RealSets, GalaxyZoo2FiveClasses) {
  const std::string tar = RealData("gz2-kaggle5/gz2_kaggle5.tar");
  if (tar.empty()) GTEST_SKIP() << "gz2-kaggle5 is not on this machine";
  TempDir dir;
  OpenOptions options = OptionsFor(tar, dir.File("cache"), 32);
  options.data.mutable_image()->set_center_crop(0.5);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->classes(), ElementsAre("cigar_shaped_smooth", "completely_round_smooth",
                                             "edge_on", "in_between_smooth", "spiral"));
  EXPECT_THAT((*set)->train(), SizeIs(1777));
  EXPECT_THAT((*set)->validation(), SizeIs(197));
  EXPECT_THAT(CountsOf(**set, (*set)->test()), ElementsAre(8, 105, 47, 103, 197));

  // The same by the table that comes with it.
  auto* files = options.data.mutable_files();
  files->add_images(tar);
  files->set_table(RealData("gz2-kaggle5/labels.csv"));
  files->set_id("GalaxyID");
  files->set_split("Split");
  options.targets.class_column = "ClassName";
  const auto manifest = InspectDataset(options.data, options.targets, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 2434);
  EXPECT_THAT(manifest->problems(), IsEmpty());
  EXPECT_EQ(manifest->splits(1).name(), "val");
  EXPECT_EQ(manifest->splits(1).count(), 460);
}

TEST(RealSets, GalaxyZoo1WithEighteenDigitIds) {
  const std::string tar = RealData("gz1-small/smallGZ1.tar");
  if (tar.empty()) GTEST_SKIP() << "gz1-small is not on this machine";
  v1::Data data;
  data.mutable_files()->add_images(tar);
  data.mutable_files()->set_table(RealData("gz1-small/smallCSV_class.csv"));
  data.mutable_files()->set_id("OBJID");
  const auto manifest = InspectDataset(data, {}, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 5331);
  EXPECT_THAT(manifest->problems(), IsEmpty());
  std::vector<std::pair<std::string, int64_t>> classes;
  for (const auto& c : manifest->classes()) classes.emplace_back(c.name(), c.count());
  EXPECT_THAT(classes, ElementsAre(std::pair("0", 3716), std::pair("1", 331), std::pair("2", 349),
                                   std::pair("3", 798), std::pair("4", 45), std::pair("5", 92)));
}

TEST(RealSets, DecalsRingsWithDotsInIds) {
  const std::string tar = RealData("decals-rings/images.tar");
  if (tar.empty()) GTEST_SKIP() << "decals-rings is not on this machine";
  v1::Data data;
  data.mutable_files()->add_images(tar);
  data.mutable_files()->set_table(RealData("decals-rings/ring_catalog.csv"));
  data.mutable_files()->set_id("id_str");
  const auto manifest = InspectDataset(data, ClassIn("ring"), {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 370);
  EXPECT_THAT(manifest->problems(), IsEmpty());
}

TEST(RealSets, KaggleZip) {
  const std::string zip = RealData("kaggle-challenge-mini/images_training_rev1.zip");
  if (zip.empty()) GTEST_SKIP() << "kaggle-challenge-mini is not on this machine";
  v1::Data data;
  data.set_dataset(zip);
  const auto manifest = InspectDataset(data, {}, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 180);
  EXPECT_EQ(manifest->min_width(), 424);
}

}  // namespace
}  // namespace skytrain::data
