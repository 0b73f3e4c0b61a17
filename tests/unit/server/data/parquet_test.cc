// Parquet: as a table, as a catalog, as images; small files of tests/data/parquet and real ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/data/dataset.h"
#include "server/data/labelled_images.h"
#include "server/data/parquet/parquet.h"
#include "server/data/table.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Sample(const std::string& name) {
  return absl::StrCat(SKYTRAIN_SOURCE_DIR, "/tests/data/parquet/", name);
}

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

absl::StatusOr<v1::DatasetManifest> Inspect(const std::string& path,
                                            const std::string& target = "") {
  v1::Data data;
  data.set_dataset(path);
  return InspectDataset(data, ClassIn(target), {});
}

std::vector<std::string> Counts(const v1::DatasetManifest& manifest) {
  std::vector<std::string> counts;
  for (const auto& c : manifest.classes()) counts.push_back(absl::StrCat(c.name(), ":", c.count()));
  return counts;
}

TEST(Parquet, CellsAreTextThatGivesTheSameValueAgain) {
  const auto table = ReadTable(Sample("catalog.parquet"));
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->header, ElementsAre("objid", "kind", "vote", "small", "ring", "seen"));
  EXPECT_THAT(table->columns[0], ElementsAre("588848901537202306", "588848901537202307",
                                             "588848901537202308", "588848901537202309"));
  EXPECT_THAT(table->columns[1], ElementsAre("a", "b", "a", "b"));
  EXPECT_THAT(table->columns[2], ElementsAre("0.1", "0.000857", "", "0.3333333333333333"));
  EXPECT_THAT(table->columns[3], ElementsAre("0.1", "0.2", "nan", "1"));
  EXPECT_THAT(table->columns[4], ElementsAre("1", "0", "", "1"));
  EXPECT_THAT(table->columns[5],
              ElementsAre("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"));
  EXPECT_THAT(table->Where(2, 3), HasSubstr("catalog.parquet, row 3: column \"small\""));
}

TEST(Parquet, OnlyWantedColumnsAreRead) {
  const auto table = ReadTable(Sample("catalog.parquet"), {"kind"});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->rows(), 4u);
  EXPECT_THAT(table->columns[0], IsEmpty());
  EXPECT_THAT(table->columns[1], ElementsAre("a", "b", "a", "b"));
}

TEST(Parquet, IsATableOfFeatures) {
  const auto table = LoadFeatureTable(Sample("features.parquet"), {});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->columns, ElementsAre("x", "y"));
  EXPECT_THAT(table->features, ElementsAre(1, .5, 2, .25, 3, 2, 4, 3, 5, 4, 6, 5));
  EXPECT_THAT(table->classes, ElementsAre("a", "b"));
  const auto manifest = Inspect(Sample("features.parquet"));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->format(), v1::DatasetManifest::FORMAT_TABLE);
}

TEST(Parquet, IsACatalogOfImages) {
  TempDir dir;
  std::vector<File> files;
  for (const char* digit : {"6", "7", "8", "9"}) {
    files.push_back({absl::StrCat("58884890153720230", digit, ".jpg"), MakeJpeg(20, 20), ""});
  }
  WriteFolder(dir.File("images"), files);
  v1::Data data;
  data.mutable_files()->add_images(dir.File("images"));
  data.mutable_files()->set_table(Sample("catalog.parquet"));
  data.mutable_files()->set_id("objid");
  const auto manifest = InspectDataset(data, ClassIn("kind"), {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 4);
  EXPECT_THAT(manifest->problems(), IsEmpty());
  EXPECT_THAT(Counts(*manifest), ElementsAre("a:2", "b:2"));
}

TEST(Parquet, ShardsOfImagesHaveNamedClassesAndSplits) {
  TempDir dir;
  OpenOptions options = OptionsFor(Sample("images"), dir.File("cache"), 24);
  options.data.mutable_splits()->mutable_validation()->set_fraction(0.4);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT(Counts((*set)->manifest()), ElementsAre("edge_on:3", "smooth:4"));
  EXPECT_THAT((*set)->ids(), ElementsAre("g5", "g6", "g0", "g1", "g2", "g3", "g4"));
  EXPECT_THAT(std::vector<int>((*set)->labels().begin(), (*set)->labels().end()),
              ElementsAre(1, 0, 1, 0, 1, 0, 1));
  EXPECT_THAT((*set)->test(), ElementsAre(0, 1));
  for (int i = 0; i < 7; ++i) {  // Red is 40 times the number, as far as JPEG keeps it.
    EXPECT_NEAR((*set)->pixels()[i * 24 * 24 * 3], 40 * (i < 2 ? i + 5 : i - 2), 8);
  }
}

TEST(Parquet, WhatIsWrongIsNamed) {
  const auto message = [](const auto& result) { return std::string(result.status().message()); };
  EXPECT_THAT(
      message(Inspect(Sample("bad_label.parquet"))),
      HasSubstr("bad_label.parquet, row 3: column \"label\" is 7, but there are 3 classes"));
  EXPECT_THAT(message(Inspect(Sample("nan.parquet"))),
              HasSubstr("nan.parquet, row 2: column \"x\" is not finite"));
  EXPECT_THAT(message(ReadTable(Sample("catalog.parquet"))->Column("list", "task.target")),
              HasSubstr("has no column \"list\""));
  EXPECT_THAT(message(ImagesOfParquet(Sample("features.parquet"))),
              HasSubstr("has no column of images"));
}

// Cut anywhere, or with any one byte changed: an error that names the file, or data; never a crash.
TEST(Parquet, DamagedFilesAreSurvived) {
  TempDir dir;
  const std::string path = dir.File("damaged.parquet");
  const std::string good = BytesOf(Sample("images/test-00000-of-00001.parquet"));
  const auto look = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    const auto images = ImagesOfParquet(path);
    if (!images.ok()) {
      EXPECT_THAT(std::string(images.status().message()), HasSubstr("damaged.parquet"));
      return;
    }
    const absl::Status read =
        images->container->Read({0, 1}, 1, [](size_t, absl::string_view) { return true; });
    if (!read.ok()) {
      EXPECT_THAT(std::string(read.message()), HasSubstr("damaged.parquet"));
    }
  };
  for (size_t size = 4; size < good.size(); size += 97) look(good.substr(0, size));
  for (size_t i = 4; i < good.size(); i += 13) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
    look(bytes);
  }
}

TEST(Parquet, RealShardsOfHuggingFace) {
  const std::string path = RealData("formats/hf-parquet");
  if (path.empty()) GTEST_SKIP() << "formats is not on this machine";
  TempDir dir;
  for (const char* shard :
       {"train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"}) {
    std::filesystem::create_directory(dir.File("set"));
    std::filesystem::copy(absl::StrCat(path, "/", shard, ".parquet"), dir.File("set"));
  }
  const auto set = OpenDataset(OptionsFor(dir.File("set"), dir.File("cache"), 32));
  ASSERT_TRUE(set.ok()) << set.status();
  const v1::DatasetManifest& manifest = (*set)->manifest();
  EXPECT_EQ(manifest.count(), 1974 + 460);
  EXPECT_THAT(Counts(manifest), ElementsAre("cigar_shaped_smooth:41", "completely_round_smooth:556",
                                            "edge_on:250", "in_between_smooth:547", "spiral:1040"));
  EXPECT_EQ(manifest.splits(0).count(), 460);
  EXPECT_EQ(manifest.splits(1).count(), 1974);
  EXPECT_EQ(manifest.min_width(), 96);
  EXPECT_EQ((*set)->ids()[0], "622924");
}

TEST(Parquet, RealVotes) {
  const std::string votes = RealData("formats/hf-parquet/votes37-00000-of-00001.parquet");
  if (votes.empty()) GTEST_SKIP() << "formats is not on this machine";
  const auto images = ImagesOfParquet(votes);
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->ids.size(), 180u);
  EXPECT_EQ(images->table.header.size(), 38u);
  const auto catalog = ReadTable(RealData("formats/hf-parquet/catalog_votes37_noimages.parquet"));
  const auto csv = ReadTable(RealData("kaggle-challenge-mini/training_solutions_rev1.csv"));
  ASSERT_TRUE(catalog.ok() && csv.ok()) << catalog.status();
  ASSERT_EQ(catalog->rows(), 180u);
  EXPECT_EQ(catalog->header, csv->header);
  EXPECT_EQ(catalog->columns[0], csv->columns[0]);
  for (size_t c = 1; c < 38; ++c) {
    for (size_t r = 0; r < 180; ++r) {
      ASSERT_EQ(std::stod(catalog->cell(r, c)), std::stod(csv->cell(r, c))) << r << " " << c;
    }
  }
}

}  // namespace
}  // namespace skytrain::data
