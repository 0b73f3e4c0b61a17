// data.splits.group of sets that carry their own labels: whichever format brings the column or the
// positions, no group is on both sides of a split, whatever the seed.
#include "server/data/groups.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/stat.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numbers>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/data/cache.h"
#include "server/data/dataset.h"
#include "server/data/labelled_images.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using GroupOfId = std::function<std::string(const std::string& id)>;

void ExpectNoGroupParted(const Dataset& set, const GroupOfId& group_of) {
  std::map<std::string, std::string> split_of;
  const std::pair<const char*, const std::vector<int64_t>&> splits[] = {
      {"train", set.train()}, {"validation", set.validation()}, {"test", set.test()}};
  for (const auto& [split, samples] : splits) {
    for (const int64_t sample : samples) {
      const std::string group = group_of(set.ids()[sample]);
      EXPECT_EQ(split_of.emplace(group, split).first->second, split) << "group " << group;
    }
  }
  EXPECT_EQ(set.train().size() + set.validation().size() + set.test().size(), set.ids().size());
}

// Fractions and folds, each with several seeds. All share one cache file.
void ExpectGroupsWhole(OpenOptions options, const std::string& group, const GroupOfId& group_of) {
  v1::Splits& splits = *options.data.mutable_splits();
  splits.set_group(group);
  std::set<std::vector<int64_t>> different;
  for (const double fraction : {0.1, 0.25, 0.4}) {
    for (const uint64_t seed : {0, 1, 7}) {
      SCOPED_TRACE(absl::StrCat("fraction ", fraction, ", seed ", seed));
      splits.mutable_validation()->set_fraction(fraction);
      splits.mutable_validation()->set_seed(seed);
      splits.mutable_test()->set_fraction(0.2);
      splits.mutable_test()->set_seed(seed + 100);
      const auto set = OpenDataset(options);
      ASSERT_TRUE(set.ok()) << set.status();
      ExpectNoGroupParted(**set, group_of);
      EXPECT_THAT((*set)->validation(), testing::Not(IsEmpty()));
      different.insert((*set)->validation());
    }
  }
  EXPECT_GT(different.size(), 4u);
  for (const uint64_t seed : {0, 5}) {
    std::multiset<std::string> tested;
    for (int fold = 0; fold < 4; ++fold) {
      SCOPED_TRACE(absl::StrCat("fold ", fold, ", seed ", seed));
      splits.mutable_test()->mutable_kfold()->set_folds(4);
      splits.mutable_test()->mutable_kfold()->set_fold(fold);
      splits.mutable_test()->mutable_kfold()->set_seed(seed);
      const auto set = OpenDataset(options);
      ASSERT_TRUE(set.ok()) << set.status();
      ExpectNoGroupParted(**set, group_of);
      for (const int64_t sample : (*set)->test()) tested.insert((*set)->ids()[sample]);
      if (fold == 3) {
        EXPECT_EQ(tested.size(), (*set)->ids().size());
      }
    }
    EXPECT_EQ(std::set<std::string>(tested.begin(), tested.end()).size(), tested.size());
  }
}

std::string Refusal(OpenOptions options, const std::string& group) {
  options.data.mutable_splits()->set_group(group);
  const auto set = OpenDataset(options);
  EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
  // The probe says the same, before anything is queued.
  EXPECT_EQ(InspectDataset(options.data, options.targets, {}).status(), set.status());
  return std::string(set.status().message());
}

// 120 images of 8x8 as in Galaxy10's file: two classes, 40 objects of three images each, which lie
// less than an arc second apart.
class ArrayGroups : public testing::Test {
 protected:
  static constexpr int kImages = 120;

  ArrayGroups() : options_(OptionsFor(dir_.File("sky.h5"), dir_.File("cache"), 8)) {
    std::vector<uint8_t> images(kImages * 8 * 8 * 3), labels;
    std::vector<float> seeing;
    for (int i = 0; i < kImages; ++i) {
      const int object = i % 40;
      for (int p = 0; p < 192; ++p) images[i * 192 + p] = static_cast<uint8_t>(i + p);
      labels.push_back(object % 2);
      objects_.push_back(1237650000000000000 + object);
      ra_.push_back(std::fmod(9.01 * object + 1e-4 * (i / 40) + 359.9, 360));
      dec_.push_back(-75 + 3.7 * object + 1e-4 * (i / 40));
      seeing.push_back(0.5F + 0.1F * static_cast<float>(object % 20));
    }
    const hid_t file =
        H5Fcreate(dir_.File("sky.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const auto write = [&](const char* name, std::vector<hsize_t> shape, hid_t type,
                           const void* numbers) {
      const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
      const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      EXPECT_GE(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers), 0);
      H5Dclose(set);
      H5Sclose(space);
    };
    write("images", {kImages, 8, 8, 3}, H5T_NATIVE_UINT8, images.data());
    write("ans", {kImages}, H5T_NATIVE_UINT8, labels.data());
    write("ra", {kImages}, H5T_NATIVE_DOUBLE, ra_.data());
    write("dec", {kImages}, H5T_NATIVE_DOUBLE, dec_.data());
    write("objid", {kImages}, H5T_NATIVE_INT64, objects_.data());
    write("seeing", {kImages}, H5T_NATIVE_FLOAT, seeing.data());
    write("short", {10}, H5T_NATIVE_INT64, objects_.data());
    H5Fclose(file);
  }

  TempDir dir_;
  OpenOptions options_;
  std::vector<int64_t> objects_;
  std::vector<double> ra_, dec_;
};

TEST_F(ArrayGroups, AnArrayNamesThem) {
  ExpectGroupsWhole(options_, "objid",
                    [&](const std::string& id) { return absl::StrCat(objects_[std::stoi(id)]); });
  ExpectGroupsWhole(options_, "seeing",
                    [](const std::string& id) { return absl::StrCat(std::stoi(id) % 40 % 20); });
}

TEST_F(ArrayGroups, CellsOfTheSkyHoldThem) {
  ExpectGroupsWhole(options_, "sky_cell(12)", [&](const std::string& id) {
    const int image = std::stoi(id);
    return absl::StrCat(SkyCellOf(ra_[image], dec_[image], 12));
  });
}

TEST_F(ArrayGroups, WhatIsNotThereIsNamedWithWhatIs) {
  EXPECT_THAT(Refusal(options_, "tile"),
              AllOf(HasSubstr("data.splits.group: "), HasSubstr("sky.h5 has no array \"tile\""),
                    HasSubstr("it has ra, dec, labels, ans, objid, seeing")));
  EXPECT_THAT(Refusal(options_, "short"), HasSubstr("but short, int64 (10)"));
  EXPECT_THAT(Refusal(options_, "sky_cell(0)"), HasSubstr("from 0.001 to 90 degrees, not \"0\""));
  EXPECT_THAT(Refusal(options_, "sky_cell(1"), HasSubstr("has no array \"sky_cell(1\""));
}

TEST_F(ArrayGroups, APositionThatIsNoNumberIsNamed) {
  const hid_t file = H5Fopen(dir_.File("sky.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t set = H5Dopen2(file, "ra", H5P_DEFAULT);
  ra_[17] = std::nan("");
  H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, ra_.data());
  H5Dclose(set);
  H5Fclose(file);
  EXPECT_THAT(Refusal(options_, "sky_cell(1)"),
              AllOf(HasSubstr("sky.h5, image 17: column \"ra\""), HasSubstr("no position")));
  options_.data.mutable_splits()->set_group("objid");  // Asks for none.
  EXPECT_TRUE(OpenDataset(options_).ok());
}

TEST_F(ArrayGroups, AnotherColumnIsAnotherCacheFileAndTheirNumbersAreInIt) {
  options_.data.mutable_splits()->set_group("objid");
  ASSERT_TRUE(OpenDataset(options_).ok());
  options_.data.mutable_splits()->mutable_validation()->set_fraction(0.3);
  ASSERT_TRUE(OpenDataset(options_).ok());
  std::vector<std::string> files;
  const auto list = [&] {
    files.clear();
    for (const auto& file : std::filesystem::directory_iterator(dir_.File("cache"))) {
      if (file.path().extension() == ".images") files.push_back(file.path().string());
    }
    return files.size();
  };
  ASSERT_EQ(list(), 1u);
  const auto cache = CacheFile::Open(files[0]);
  ASSERT_TRUE(cache.ok()) << cache.status();
  const std::vector<int32_t>& groups = (*cache)->index().groups;
  ASSERT_THAT(groups, SizeIs(kImages));
  for (int i = 0; i < kImages; ++i) EXPECT_EQ(groups[i], i % 40);
  options_.data.mutable_splits()->set_group("seeing");
  ASSERT_TRUE(OpenDataset(options_).ok());
  EXPECT_EQ(list(), 2u);
  options_.data.mutable_splits()->clear_group();
  ASSERT_TRUE(OpenDataset(options_).ok());
  EXPECT_EQ(list(), 3u);
}

TEST(Groups, TheTableIsNotReadAgainOnceTheImagesAreDecoded) {
  TempDir dir;
  std::vector<File> files;
  std::string table = "id,kind,field\n";
  for (int i = 0; i < 40; ++i) {
    files.push_back({absl::StrCat(i + 10, ".jpg"), MakeJpeg(16, 16, i % 6), ""});
    absl::StrAppend(&table, i + 10, i % 2 == 0 ? ",a,f" : ",b,f", i / 4, "\n");
  }
  WriteFolder(dir.File("images"), files);
  const auto write = [&](const std::string& text) { std::ofstream(dir.File("t.csv")) << text; };
  write(table);
  OpenOptions options = OptionsFor("", dir.File("cache"), 16);
  auto* all = options.data.mutable_files();
  all->add_images(dir.File("images"));
  all->set_table(dir.File("t.csv"));
  all->set_id("id");
  options.data.mutable_splits()->set_group("field");  // And so not taken for the class.
  const auto first = OpenDataset(options);
  ASSERT_TRUE(first.ok()) << first.status();
  // Another text behind the same fingerprint: whoever reads it would part the fields.
  struct stat before;
  ASSERT_EQ(::stat(dir.File("t.csv").c_str(), &before), 0);
  write(absl::StrReplaceAll(table, {{"f1", "x1"}, {"kind", "dnik"}}));
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, dir.File("t.csv").c_str(), times, 0), 0);
  const auto second = OpenDataset(options);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->validation(), (*first)->validation());
  ExpectNoGroupParted(**second,
                      [](const std::string& id) { return absl::StrCat((std::stoi(id) - 10) / 4); });
}

TEST(Groups, ImagesThatCannotBeDecodedLeaveTheOthersInTheirGroups) {
  TempDir dir;
  std::vector<File> files;
  std::string table = "id,kind,field\n";
  for (int i = 0; i < 60; ++i) {
    std::string image = MakeJpeg(16, 16, i % 6);
    if (i % 7 == 3) image = image.substr(0, image.size() / 2);
    files.push_back({absl::StrCat(i + 10, ".jpg"), image, ""});
    absl::StrAppend(&table, i + 10, i % 2 == 0 ? ",a,f" : ",b,f", i * 7 % 15, "\n");
  }
  WriteFolder(dir.File("images"), files);
  std::ofstream(dir.File("t.csv")) << table;
  OpenOptions options = OptionsFor("", dir.File("cache"), 16);
  auto* all = options.data.mutable_files();
  all->add_images(dir.File("images"));
  all->set_table(dir.File("t.csv"));
  all->set_id("id");
  options.targets.class_column = "kind";
  options.data.set_corrupt(v1::Data::POLICY_SKIP);
  ExpectGroupsWhole(options, "field", [](const std::string& id) {
    return absl::StrCat((std::stoi(id) - 10) * 7 % 15);
  });
}

TEST(Groups, MembersOfShardsNameThem) {
  TempDir dir;
  std::filesystem::create_directory(dir.File("set"));
  int key = 100;
  for (const char* name : {"a_0.tar", "a_1.tar", "a_2.tar"}) {
    std::vector<File> files;
    for (int i = 0; i < 20; ++i, ++key) {
      files.push_back({absl::StrCat(key, ".jpg"), MakeJpeg(16, 16, i % 6), ""});
      files.push_back({absl::StrCat(key, ".json"),
                       absl::StrCat(R"({"label": ")", i % 2 == 0 ? "spiral" : "smooth",
                                    R"(", "field": ")", key % 13, R"("})"),
                       ""});
    }
    WriteArchive(dir.File("set/") + name, files, Pack::kTar);
  }
  const OpenOptions options = OptionsFor(dir.File("set"), dir.File("cache"), 16);
  ExpectGroupsWhole(options, "field",
                    [](const std::string& id) { return absl::StrCat(std::stoi(id) % 13); });
  EXPECT_THAT(Refusal(options, "fields"),
              AllOf(HasSubstr("data.splits.group: "), HasSubstr("a_0.tar has no column \"fields\""),
                    HasSubstr("did you mean \"field\"?"), HasSubstr("It has field, label")));
  EXPECT_THAT(Refusal(options, "sky_cell(1)"), HasSubstr("needs positions, and "));
}

TEST(Groups, AnImageWithoutAGroupIsNamed) {
  TempDir dir;
  std::vector<File> files;
  for (const int key : {1, 2, 3}) {
    files.push_back({absl::StrCat(key, ".jpg"), MakeJpeg(16, 16, key), ""});
    files.push_back({absl::StrCat(key, ".json"),
                     key == 2 ? R"({"label": "a"})" : R"({"label": "b", "field": 5})", ""});
  }
  WriteArchive(dir.File("set.tar"), files, Pack::kTar);
  EXPECT_THAT(Refusal(OptionsFor(dir.File("set.tar"), dir.File("cache")), "field"),
              HasSubstr("set.tar, image 2: column \"field\" is empty"));
}

TEST(Groups, AFolderOfImagesHasNone) {
  TempDir dir;
  WriteFolder(dir.File("set"), ImageFiles({{"a", 3}, {"b", 3}}));
  EXPECT_THAT(
      Refusal(OptionsFor(dir.File("set"), dir.File("cache")), "field"),
      AllOf(HasSubstr(dir.File("set")), HasSubstr("no \"field\""), HasSubstr("data.files")));
}

// Votes that the shards' authors rounded: galaxies with the same one are a group.
void ExpectRealGroupsWhole(const std::string& path, const std::string& group,
                           const std::vector<LabelledImages>& shards) {
  std::map<std::string, std::string> group_of;
  for (const LabelledImages& shard : shards) {
    const auto column = shard.table.Column(group, "");
    ASSERT_TRUE(column.ok()) << column.status();
    for (size_t i = 0; i < shard.ids.size(); ++i) {
      group_of[shard.ids[i]] = shard.table.cell(i, *column);
    }
  }
  TempDir dir;
  OpenOptions options = OptionsFor(path, dir.File("cache"), 16);
  options.targets.values = {"Class1.1", "Class1.2"};
  options.targets.field = "task.regression.targets";
  ExpectGroupsWhole(options, group, [&](const std::string& id) { return group_of.at(id); });
}

TEST(Groups, RealShards) {
  const std::string path = RealData("formats/webdataset");
  if (path.empty()) GTEST_SKIP() << "formats is not on this machine";
  std::vector<LabelledImages> shards;
  for (int i = 0; i < 3; ++i) {
    auto shard = ImagesOfShard(absl::StrCat(path, "/gz2mini_train_", i, "_60.tar"));
    ASSERT_TRUE(shard.ok()) << shard.status();
    shards.push_back(*std::move(shard));
  }
  ExpectRealGroupsWhole(path, "Class7.1", shards);
}

TEST(Groups, RealParquet) {
  const std::string path = RealData("formats/hf-parquet/votes37-00000-of-00001.parquet");
  if (path.empty()) GTEST_SKIP() << "formats is not on this machine";
  std::vector<LabelledImages> shards;
  auto shard = ImagesOfParquet(path);
  ASSERT_TRUE(shard.ok()) << shard.status();
  shards.push_back(*std::move(shard));
  ExpectRealGroupsWhole(path, "Class1.3", shards);
  OpenOptions options = OptionsFor(path, "unused", 16);
  options.targets.values = {"Class1.1"};
  EXPECT_THAT(Refusal(options, "Class1.4"),
              AllOf(HasSubstr("has no column \"Class1.4\""), HasSubstr("It has id_str, Class1.1")));
}

TEST(Groups, RealGalaxy10) {
  const std::string path = RealData("galaxy10-decals-mini/Galaxy10_DECals_mini.h5");
  if (path.empty()) GTEST_SKIP() << "galaxy10-decals-mini is not on this machine";
  // The small file leaves out the positions that the large one has.
  EXPECT_THAT(Refusal(OptionsFor(path, "unused", 16), "ra"),
              AllOf(HasSubstr("has no array \"ra\""), HasSubstr("it has labels, ans")));
}

TEST(SkyCells, RightAscensionGoesRoundAndThePolesAreCells) {
  EXPECT_EQ(SkyCellOf(360, 10, 0.5), SkyCellOf(0, 10, 0.5));
  EXPECT_EQ(SkyCellOf(-0.1, 10, 0.5), SkyCellOf(359.9, 10, 0.5));
  EXPECT_NE(SkyCellOf(-0.1, 10, 0.5), SkyCellOf(0.1, 10, 0.5));
  EXPECT_EQ(SkyCellOf(10, 90, 0.5), SkyCellOf(10, 89.9, 0.5));
  EXPECT_EQ(SkyCellOf(1, 90, 90), SkyCellOf(1, 45, 90));
  EXPECT_NE(SkyCellOf(1, -90, 90), SkyCellOf(1, 45, 90));
}

TEST(SkyCells, AreAboutAsWideAsAsked) {
  for (const double degrees : {0.7, 3.0, 10.0}) {
    std::map<int64_t, std::array<double, 4>> cells;  // Least and greatest ra and dec.
    for (double dec = -89.95; dec < 90; dec += 0.3) {
      for (double ra = 0.05; ra < 360; ra += 0.3) {
        auto [cell, is_new] =
            cells.try_emplace(SkyCellOf(ra, dec, degrees), std::array<double, 4>{ra, ra, dec, dec});
        auto& [ra0, ra1, dec0, dec1] = cell->second;
        ra0 = std::min(ra0, ra), ra1 = std::max(ra1, ra);
        dec0 = std::min(dec0, dec), dec1 = std::max(dec1, dec);
      }
    }
    // As many as fit on the sphere.
    EXPECT_NEAR(static_cast<double>(cells.size()), 41253 / (degrees * degrees),
                0.05 * 41253 / (degrees * degrees));
    for (const auto& [number, cell] : cells) {
      const auto& [ra0, ra1, dec0, dec1] = cell;
      EXPECT_LE(dec1 - dec0, degrees);
      if (std::abs(dec0) > 80) continue;
      EXPECT_LE((ra1 - ra0) * std::cos((dec0 + dec1) / 2 * std::numbers::pi / 180), 1.1 * degrees);
    }
  }
}

}  // namespace
}  // namespace skytrain::data
