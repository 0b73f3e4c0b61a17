// Numbers as targets instead of classes, and weights of samples.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsNan;
using ::testing::SizeIs;

// Six images and a table of their ids, redshifts and weights, in another order.
class TargetsTest : public ::testing::Test {
 protected:
  TargetsTest() {
    std::vector<File> images;
    for (int i = 0; i < 6; ++i)
      images.push_back({absl::StrCat("a/", i, ".jpg"), MakeJpeg(20, 20), ""});
    WriteFolder(dir_.File("set"), images);
    Table(
        "id,z,mass,w\n5,0.5,10,1\n0,0.0,11,2\n1,0.1,12,0.5\n2,0.2,13,0\n3,0.3,14,1\n4,0.4,15,"
        "1\n");
    options_.data.mutable_files()->add_images(dir_.File("set/a"));
    options_.data.mutable_files()->set_table(dir_.File("table.csv"));
    options_.data.mutable_files()->set_id("id");
    options_.data.mutable_image()->set_size(16);
    options_.data.mutable_splits()->mutable_test()->set_fraction(0.3);
    options_.data.mutable_splits()->mutable_validation()->set_fraction(0.2);
    options_.cache_dir = dir_.File("cache");
    options_.targets.field = "task.regression.targets";
    options_.targets.values = {"mass", "z"};
  }

  void Table(const std::string& text) { WriteFolder(dir_.File(""), {{"table.csv", text, ""}}); }

  // What the set is refused for.
  std::string Refusal() {
    const auto set = OpenDataset(options_);
    const auto manifest = InspectDataset(options_.data, options_.targets, {});
    EXPECT_EQ(ReasonOf(set.status()), "DATA_INVALID") << set.status();
    EXPECT_EQ(set.status().message(), manifest.status().message());
    return std::string(set.status().message());
  }

  TempDir dir_;
  OpenOptions options_;
};

TEST_F(TargetsTest, FollowTheirImagesThroughTheCache) {
  options_.data.mutable_files()->set_weight("w");
  for (const char* time : {"built", "found in the cache"}) {
    const auto set = OpenDataset(options_);
    ASSERT_TRUE(set.ok()) << time << set.status();
    EXPECT_THAT((*set)->classes(), IsEmpty());
    EXPECT_THAT((*set)->target_names(), ElementsAre("mass", "z"));
    EXPECT_THAT((*set)->ids(), ElementsAre("0", "1", "2", "3", "4", "5"));
    EXPECT_THAT((*set)->targets(),
                ElementsAre(11, 0.0F, 12, 0.1F, 13, 0.2F, 14, 0.3F, 15, 0.4F, 10, 0.5F));
    EXPECT_THAT((*set)->weights(), ElementsAre(2, 0.5F, 0, 1, 1, 1));
    EXPECT_THAT((*set)->train(), SizeIs(3)) << time;
    EXPECT_THAT((*set)->validation(), SizeIs(1));
    EXPECT_THAT((*set)->test(), SizeIs(2));
    EXPECT_THAT((*set)->labels(), ElementsAre(0, 0, 0, 0, 0, 0));
  }
}

TEST_F(TargetsTest, ManifestTellsTheirRange) {
  const auto manifest = InspectDataset(options_.data, options_.targets, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 6);
  EXPECT_EQ(manifest->classes_size(), 0);
  ASSERT_EQ(manifest->targets_size(), 2);
  EXPECT_EQ(manifest->targets(0).name(), "mass");
  EXPECT_EQ(manifest->targets(0).min(), 10);
  EXPECT_EQ(manifest->targets(0).max(), 15);
  EXPECT_DOUBLE_EQ(manifest->targets(0).mean(), 12.5);
}

TEST_F(TargetsTest, OtherColumnsAreAnotherCacheFile) {
  ASSERT_TRUE(OpenDataset(options_).ok());
  options_.targets.values = {"z"};
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->targets(), ElementsAre(0.0F, 0.1F, 0.2F, 0.3F, 0.4F, 0.5F));
}

TEST_F(TargetsTest, BadCellsAreNamedByLineAndColumn) {
  const std::string table = dir_.File("table.csv");
  const struct {
    const char *cell, *said;
  } kCases[] = {{"", "\"z\" is empty"},
                {"high", "\"z\" must be a number, not \"high\""},
                {"nan", "\"z\" is not finite"},
                {"1.5", "\"z\" must be between 0 and 1, not 1.5"},
                {"-0.1", "\"z\" must be between 0 and 1, not -0.1"}};
  options_.targets.values = {"z"};
  options_.targets.lowest = 0;
  options_.targets.highest = 1;
  for (const auto& c : kCases) {
    Table(absl::StrCat("id,z\n0,0.5\n1,", c.cell, "\n"));
    const std::string said = Refusal();
    EXPECT_TRUE(absl::StrContains(said, absl::StrCat(table, ":3: column ", c.said))) << said;
  }
  Table("id,z\n0,0.5\n1,\n2,1\n3,1\n4,1\n5,1\n");
  options_.targets.empty_is_zero = true;
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->targets()[1], 0.0F);
}

TEST_F(TargetsTest, ColumnsThatCannotBeAreNamed) {
  options_.targets.values = {"mas"};
  EXPECT_TRUE(absl::StrContains(Refusal(), "did you mean \"mass\"?"));
  options_.targets.values = {"z", "z"};
  EXPECT_TRUE(absl::StrContains(Refusal(), "names the column \"z\" twice"));
  options_.targets.values = {"id"};
  EXPECT_TRUE(absl::StrContains(Refusal(), "names the id column"));
  options_.targets.values = {"z"};
  options_.data.mutable_files()->set_weight("weight");
  EXPECT_TRUE(absl::StrContains(Refusal(), "data.files.weight: "));
  options_.data.mutable_files()->set_weight("w");
  Table("id,z,w\n0,0.5,-1\n");
  EXPECT_TRUE(absl::StrContains(Refusal(), "\"w\" must be 0 or greater, not -1"));
  options_.data.set_dataset(dir_.File("set"));
  EXPECT_TRUE(absl::StrContains(Refusal(), "needs numbers from a table"));
}

TEST_F(TargetsTest, OfATableAreItsOtherColumnsFeatures) {
  Table("x,mass,y,z\n1,10,2,0.1\n3,20,4,0.2\n5,30,6,0.3\n7,40,8,0.4\n");
  options_.data = {};
  options_.data.set_dataset(dir_.File("table.csv"));
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->features(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT((*set)->targets(), ElementsAre(10, 0.1F, 20, 0.2F, 30, 0.3F, 40, 0.4F));
  EXPECT_THAT((*set)->manifest().columns(), ElementsAre("x", "y"));
  EXPECT_EQ((*set)->manifest().targets(1).name(), "z");
  EXPECT_THAT((*set)->train(), SizeIs(3));
}

TEST_F(TargetsTest, PositionsOfATableAreFoundAsThoseOfACatalog) {
  options_.data = {};
  options_.data.set_dataset(dir_.File("table.csv"));
  options_.targets.values = {"z"};
  for (const auto& [ra, dec] :
       {std::pair("ra", "dec"), {"RA_deg", "DEC_deg"}, {"RAJ2000", "DEJ2000"}}) {
    Table(absl::StrCat(dec, ",z,", ra, "\n-1.5,0.1,10\n2,0.2,187.70593076\n3,0.3,20\n4,0.4,30\n"));
    const auto set = OpenDataset(options_);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_THAT((*set)->positions(), ElementsAre(10, -1.5, 187.70593076, 2, 20, 3, 30, 4)) << ra;
    EXPECT_THAT((*set)->manifest().columns(), ElementsAre(dec, ra)) << "they are features, too";
  }
  Table("dec,z,width\n-1.5,0.1,10\n2,0.2,187\n3,0.3,20\n4,0.4,30\n");
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->positions(), IsEmpty());

  // A model of other columns takes what there is of them.
  Table("ra,dec,x,z\n10,-1.5,1,0.1\n,,2,0.2\nnowhere,5,3,0.3\n");
  options_.evaluation = true;
  options_.features = {"x"};
  const auto partly = OpenDataset(options_);
  ASSERT_TRUE(partly.ok()) << partly.status();
  EXPECT_THAT((*partly)->positions(), ElementsAre(10, -1.5, IsNan(), IsNan(), IsNan(), 5));
}

TEST_F(TargetsTest, EvaluationTakesTheWholeSet) {
  options_.data.clear_splits();
  options_.evaluation = true;
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->test(), SizeIs(6));
}

// The zip with its table, and the same in Hugging Face's layout.
TEST_F(TargetsTest, ThirtySevenVoteFractionsOfTheGalaxyChallenge) {
  const std::string folder = RealData("kaggle-challenge-mini");
  const std::string shards = RealData("formats/hf-parquet");
  if (folder.empty() || shards.empty()) GTEST_SKIP() << "the sets are not on this machine";
  options_.targets.values.clear();
  const int answers[] = {3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6};
  for (int q = 1; q <= 11; ++q) {
    for (int a = 1; a <= answers[q - 1]; ++a) {
      options_.targets.values.push_back(absl::StrCat("Class", q, ".", a));
    }
  }
  options_.targets.lowest = 0;
  options_.targets.highest = 1;
  v1::Files& files = *options_.data.mutable_files();
  files.set_images(0, folder + "/images_training_rev1.zip");
  files.set_table(folder + "/training_solutions_rev1.csv");
  files.set_id("GalaxyID");
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ((*set)->count(), 180);
  ASSERT_EQ((*set)->target_columns(), 37);
  EXPECT_EQ((*set)->ids()[0], "100134");
  EXPECT_EQ((*set)->targets()[0], 0.021834F);
  EXPECT_EQ((*set)->targets()[36], 0.327894379F);
  for (int64_t i = 0; i < 180; ++i) {
    const float* row = (*set)->targets().data() + i * 37;
    EXPECT_NEAR(row[0] + row[1] + row[2], 1, 1e-5) << (*set)->ids()[i];
  }

  options_.data.set_dataset(shards + "/votes37-00000-of-00001.parquet");
  const auto shard = OpenDataset(options_);
  ASSERT_TRUE(shard.ok()) << shard.status();
  ASSERT_EQ((*shard)->count(), 180);
  std::map<std::string, float> first;
  for (int64_t i = 0; i < 180; ++i) first[(*shard)->ids()[i]] = (*shard)->targets()[i * 37];
  for (int64_t i = 0; i < 180; ++i) {
    EXPECT_EQ(first.at((*set)->ids()[i]), (*set)->targets()[i * 37]) << (*set)->ids()[i];
  }
}

}  // namespace
}  // namespace skytrain::data
