// Images with a table: by the names of their files, split and grouped by
// further columns and tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Catalog : public testing::Test {
 protected:
  // 40 images s{0..3}/{0..9}.png of two classes, in 10 fields of 4 galaxies.
  Catalog() {
    std::vector<File> files;
    std::string table = "objid,subfolder,filename,kind,field\n";
    for (int i = 0; i < 40; ++i) {
      const std::string folder = absl::StrCat("s", i / 10), name = absl::StrCat(i % 10, ".png");
      files.push_back({absl::StrCat(folder, "/", name), MakeJpeg(16 + i, 16 + i, i % 6), ""});
      absl::StrAppend(&table, 588848901537202300 + i, ",", folder, ",", name, ",",
                      i % 2 == 0 ? "spiral" : "smooth", ",f", i / 4, "\n");
    }
    WriteFolder(dir_.File("images"), files);
    Write("catalog.csv", table);
    auto* all = options_.data.mutable_files();
    all->add_images(dir_.File("images"));
    all->set_table(dir_.File("catalog.csv"));
    all->set_id("objid");
    all->add_file("subfolder");
    all->add_file("filename");
    options_.targets.class_column = "kind";
    options_.data.mutable_image()->set_size(16);
    options_.cache_dir = dir_.File("cache");
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File(name)) << text;
  }
  absl::StatusOr<v1::DatasetManifest> Inspect() {
    return InspectDataset(options_.data, options_.targets, {});
  }
  std::string Refusal() { return std::string(OpenDataset(options_).status().message()); }

  TempDir dir_;
  OpenOptions options_;
};

TEST_F(Catalog, ColumnsNameTheFiles) {
  const auto manifest = Inspect();
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 40);
  EXPECT_THAT(manifest->problems(), IsEmpty());
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->ids()[0], "588848901537202300");
}

TEST_F(Catalog, PositionsAreTheColumnsOfTheCatalog) {
  Write("catalog.csv",
        "objid,subfolder,filename,kind,RA,DEC\n2,s0,0.png,a,187.70593076,12.39112325\n"
        "1,s0,1.png,b,,-45.5\n3,s0,2.png,b,359.999999999,hms\n");
  options_.data.set_unmatched(v1::Data::POLICY_SKIP);
  options_.targets.class_column = "";  // The only column besides ids, files and positions.
  for (const char* opened : {"decoded", "from the cache"}) {
    const auto set = OpenDataset(options_);
    ASSERT_TRUE(set.ok()) << set.status();
    ASSERT_THAT((*set)->positions(), SizeIs(6)) << opened;
    EXPECT_TRUE(std::isnan((*set)->positions()[0]));
    EXPECT_EQ((*set)->positions()[1], -45.5);
    EXPECT_EQ((*set)->positions()[2], 187.70593076);
    EXPECT_EQ((*set)->positions()[3], 12.39112325);
    EXPECT_EQ((*set)->positions()[4], 359.999999999);
    EXPECT_TRUE(std::isnan((*set)->positions()[5]));
  }
}

TEST_F(Catalog, WithoutPositionsThereAreNone) {
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->positions(), IsEmpty());
}

TEST_F(Catalog, WhatDoesNotMatchIsCountedAndNamed) {
  Write("catalog.csv",
        "objid,subfolder,filename,kind\n1,s0,0.png,a\n2,s9,0."
        "png,b\n3,s0,0.png,b\n4,s0,1.png,b\n");
  const auto manifest = Inspect();
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  std::map<std::string, std::string> problems;
  for (const auto& p : manifest->problems()) {
    problems[p.kind()] = absl::StrCat(p.count(), " ", p.names(0));
  }
  EXPECT_EQ(manifest->count(), 2);
  EXPECT_EQ(problems["label_without_image"], "1 2: s9/0.png");
  EXPECT_EQ(problems["duplicate_id"], "1 3: s0/0.png");
  EXPECT_EQ(problems["image_without_label"], "38 s0/2.png");
  options_.data.mutable_files()->set_file(1, "filenam");
  EXPECT_THAT(Refusal(), HasSubstr("data.files.file: "));
}

TEST_F(Catalog, ASecondTableHoldsTheTestSplit) {
  // Two that the catalog has, and one that only the second table has, with its
  // label.
  Write("catalog.csv", [&] {
    std::ifstream file(dir_.File("catalog.csv"));
    std::string text((std::istreambuf_iterator<char>(file)), {});
    return text.substr(0, text.rfind("588848901537202339"));
  }());
  Write("test.csv",
        "kind,objid,subfolder,filename\nx,588848901537202301,no,"
        "no\nx,588848901537202302,no,no\n"
        "spiral,588848901537202339,s3,9.png\n");
  auto* splits = options_.data.mutable_splits();
  splits->mutable_test()->set_table(dir_.File("test.csv"));
  const auto manifest = Inspect();
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 40);
  ASSERT_EQ(manifest->splits_size(), 1);
  EXPECT_EQ(manifest->splits(0).name(), "data.splits.test.table");
  EXPECT_EQ(manifest->splits(0).count(), 3);
  const auto set = OpenDataset(options_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT((*set)->classes(), ElementsAre("smooth", "spiral"));  // The catalog's labels count.
  std::vector<std::string> tested;
  for (const int64_t i : (*set)->test()) tested.push_back((*set)->ids()[i]);
  EXPECT_THAT(tested,
              ElementsAre("588848901537202301", "588848901537202302", "588848901537202339"));
  EXPECT_EQ((*set)->train().size() + (*set)->validation().size(), 37u);

  splits->mutable_validation()->set_table(dir_.File("test.csv"));
  EXPECT_THAT(Refusal(), HasSubstr("splits must not share samples"));
  splits->clear_validation();
  Write("test.csv", "objid\n588848901537202339\n");
  EXPECT_THAT(Refusal(), HasSubstr("test.csv has no column \"subfolder\""));
  Write("test.csv", "objid\n588848901537202301\n588848901537202301\n");
  EXPECT_THAT(Refusal(),
              HasSubstr("test.csv:3: column \"objid\": \"588848901537202301\" is there"));
}

TEST_F(Catalog, GroupsAreNeverParted) {
  auto* splits = options_.data.mutable_splits();
  splits->set_group("field");
  splits->mutable_validation()->set_fraction(0.2);
  const auto fields = [](const Dataset& set, const std::vector<int64_t>& samples) {
    std::set<int> fields;
    for (const int64_t i : samples) fields.insert((std::stoll(set.ids()[i]) % 100) / 4);
    return fields;
  };
  std::set<int> tested;
  for (int fold = 0; fold < 5; ++fold) {
    splits->mutable_test()->mutable_kfold()->set_folds(5);
    splits->mutable_test()->mutable_kfold()->set_fold(fold);
    const auto set = OpenDataset(options_);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_THAT((*set)->test(), SizeIs(8));
    EXPECT_THAT((*set)->validation(), SizeIs(8));
    std::set<int> all;
    for (const auto* part : {&(*set)->train(), &(*set)->validation(), &(*set)->test()}) {
      for (const int field : fields(**set, *part)) EXPECT_TRUE(all.insert(field).second) << field;
    }
    EXPECT_THAT(all, SizeIs(10));
    for (const int field : fields(**set, (*set)->test())) {
      EXPECT_TRUE(tested.insert(field).second) << field;
    }
  }
  EXPECT_THAT(tested, SizeIs(10));
  splits->set_group("fields");
  EXPECT_THAT(Refusal(), HasSubstr("data.splits.group: "));
}

TEST_F(Catalog, TheGroupOfATableOfFeaturesIsNoFeature) {
  std::string text = "x,kind,field\n";
  for (int i = 0; i < 40; ++i) {
    absl::StrAppend(&text, i, ",", i % 2 == 0 ? "a" : "b", ",", i / 4, "\n");
  }
  Write("features.csv", text);
  OpenOptions options;
  options.data.set_dataset(dir_.File("features.csv"));
  options.targets.class_column = "kind";
  options.data.mutable_splits()->set_group("field");
  options.data.mutable_splits()->mutable_test()->set_fraction(0.2);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->columns(), 1);
  EXPECT_THAT((*set)->test(), SizeIs(8));
  std::set<int64_t> fields;
  for (const int64_t i : (*set)->test()) fields.insert(i / 4);
  EXPECT_THAT(fields, SizeIs(2));
}

TEST_F(Catalog, RealRingsByTheirFileNames) {
  const std::string tar = RealData("decals-rings/images.tar");
  if (tar.empty()) GTEST_SKIP() << "decals-rings is not on this machine";
  v1::Data data;
  data.mutable_files()->add_images(tar);
  data.mutable_files()->set_table(RealData("decals-rings/ring_catalog.csv"));
  data.mutable_files()->set_id("id_str");
  data.mutable_files()->add_file("file_loc");
  options_.targets.class_column = "ring";
  const auto manifest = InspectDataset(data, options_.targets, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 370);
  EXPECT_EQ(manifest->classes(1).count(), 185);
  EXPECT_THAT(manifest->problems(), IsEmpty());
}

}  // namespace
}  // namespace skytrain::data
