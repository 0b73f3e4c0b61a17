// WebDataset shards: real ones where the machine has them, and what goes wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/data/dataset.h"
#include "server/data/labelled_images.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<v1::DatasetManifest> Inspect(const std::string& path, const std::string& target) {
  v1::Data data;
  data.set_dataset(path);
  return InspectDataset(data, ClassIn(target), {});
}

std::vector<std::string> Counts(const v1::DatasetManifest& manifest) {
  std::vector<std::string> counts;
  for (const auto& c : manifest.classes()) counts.push_back(absl::StrCat(c.name(), ":", c.count()));
  return counts;
}

TEST(WebDataset, ClassFilesLabelTheirImages) {
  TempDir dir;
  for (const Pack pack : {Pack::kTar, Pack::kPaxTar, Pack::kTarGz}) {
    const std::string path = dir.File(absl::StrCat("set", static_cast<int>(pack)));
    WriteArchive(path,
                 {{"000/a.jpg", MakeJpeg(24, 24), ""},
                  {"000/a.cls", "4\n", ""},
                  {"000/J0004+0209.5.png", MakePng(24, 24, 2, 8), ""},
                  {"000/J0004+0209.5.cls", "10", ""},
                  {"000/c.jpg", MakeJpeg(24, 24), ""},
                  {"000/c.cls", "4", ""}},
                 pack);
    OpenOptions options = OptionsFor(path, dir.File("cache"));
    options.evaluation = true;
    options.classes = {"4", "10"};
    const auto set = OpenDataset(options);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_THAT((*set)->ids(), ElementsAre("J0004+0209.5", "a", "c"));
    EXPECT_THAT(std::vector<int>((*set)->labels().begin(), (*set)->labels().end()),
                ElementsAre(1, 0, 0));
    EXPECT_EQ((*set)->manifest().target(), "cls");
  }
}

TEST(WebDataset, ShardsOfAFolderAreSplitsByTheirNamesAndLabelsComeFromJson) {
  TempDir dir;
  std::filesystem::create_directory(dir.File("set"));
  const auto shard = [&](const std::string& name, int first,
                         const std::vector<const char*>& kinds) {
    std::vector<File> files;
    for (const char* kind : kinds) {
      const std::string key = absl::StrCat(first++);
      files.push_back({key + ".image.jpg", MakeJpeg(16, 16, first % 6), ""});
      files.push_back({key + ".labels.json",
                       absl::StrCat(R"({"kind": ")", kind, R"(", "z": 8.57E-04, "more": [1, {}]})"),
                       ""});
    }
    WriteArchive(dir.File("set/" + name), files, Pack::kTar);
  };
  shard("gz_train_0.tar", 588848901537202306 % 1000, {"spiral", "smooth"});
  shard("gz_train_1.tar", 500, {"spiral"});
  shard("gz_test_0.tar", 700, {"smooth", "spiral"});
  const auto manifest = Inspect(dir.File("set"), "kind");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_THAT(Counts(*manifest), ElementsAre("smooth:2", "spiral:3"));
  ASSERT_EQ(manifest->splits_size(), 2);
  EXPECT_EQ(manifest->splits(0).name(), "test");
  EXPECT_EQ(manifest->splits(1).count(), 3);

  const auto images = ImagesOfShard(dir.File("set/gz_train_1.tar"));
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_THAT(images->table.header, ElementsAre("kind", "z"));
  EXPECT_EQ(images->table.cell(0, 1), "8.57E-04");  // The file's own digits.

  const auto unsaid = Inspect(dir.File("set"), "");
  EXPECT_THAT(std::string(unsaid.status().message()), HasSubstr("is the class: kind, z"));
}

TEST(WebDataset, WhatIsMissingIsCountedAndNamed) {
  TempDir dir;
  WriteArchive(dir.File("set.tar"),
               {{"a.jpg", MakeJpeg(16, 16), ""},
                {"a.cls", "x", ""},
                {"b.jpg", MakeJpeg(16, 16), ""},
                {"c.cls", "y", ""},
                {"d.jpg", MakeJpeg(16, 16).substr(0, 300), ""},
                {"d.cls", "x", ""}},
               Pack::kTar);
  const auto manifest = Inspect(dir.File("set.tar"), "");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  std::vector<std::string> problems;
  for (const auto& p : manifest->problems()) {
    problems.push_back(absl::StrCat(p.kind(), " ", p.count(), " ", p.names(0)));
  }
  EXPECT_EQ(manifest->count(), 1);
  EXPECT_THAT(problems,
              ElementsAre("image_without_label 1 set.tar: b.jpg",
                          HasSubstr("label_without_image 1 "), HasSubstr("corrupt 1 d.jpg: ")));
}

TEST(WebDataset, BadLabelsNameShardAndFile) {
  TempDir dir;
  const auto expect = [&](const std::string& name, const std::string& content,
                          const std::string& says) {
    WriteArchive(dir.File("bad.tar"), {{"a.jpg", MakeJpeg(16, 16), ""}, {name, content, ""}},
                 Pack::kTar);
    const auto manifest = Inspect(dir.File("bad.tar"), "");
    EXPECT_THAT(std::string(manifest.status().message()),
                HasSubstr("bad.tar: " + name + " " + says));
  };
  expect("a.json", "{\"x\": 1", "is no JSON, from byte");
  expect("a.json", "[1]", "is a JSON array, not an object");
  expect("a.json", "3", "is a JSON value, not an object");
  expect("a.json", "{\"x\": 1, \"x\": 2}", "has \"x\" twice");
  expect("a.json", "{\"x\": " + std::string(100, '[') + std::string(100, ']') + "}",
         "is nested too deeply");
  expect("a.json", "{\"x\": NaN}", "is no JSON");
  expect("a.cls", "\n", "is empty");
  expect("a.cls", "one\ntwo", "has several lines");
  expect("a.cls", "\xff", "holds text that is not UTF-8");
  expect("a.cls", std::string(2 << 20, 'x'), "is larger than 1 MiB");
}

TEST(WebDataset, ImagesInFoldersWithOtherFilesAreAnImageFolderStill) {
  TempDir dir;
  std::vector<File> files = ImageFiles({{"spiral", 3}, {"smooth", 3}});
  files.push_back({"dataset.json", "{}", ""});
  WriteArchive(dir.File("set.tar"), files, Pack::kTar);
  const auto manifest = Inspect(dir.File("set.tar"), "");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->format(), v1::DatasetManifest::FORMAT_IMAGE_FOLDER);
}

TEST(WebDataset, RealShards) {
  const std::string path = RealData("formats/webdataset");
  if (path.empty()) GTEST_SKIP() << "formats is not on this machine";
  const auto manifest = Inspect(path, "Class1.1");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 180);
  EXPECT_THAT(manifest->problems(), IsEmpty());
  EXPECT_THAT(manifest->splits(), IsEmpty());  // All are named train.
  EXPECT_EQ(manifest->min_width(), 424);
  const auto images = ImagesOfShard(path + "/gz2mini_train_0_60.tar");
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->ids.size(), 60u);
  EXPECT_EQ(images->ids[0], "100134");
  EXPECT_EQ(images->table.header.size(), 37u);
  const auto column = images->table.Column("Class1.2", "");
  ASSERT_TRUE(column.ok());
  EXPECT_EQ(images->table.cell(0, *column), "0.976952");
}

}  // namespace
}  // namespace skytrain::data
