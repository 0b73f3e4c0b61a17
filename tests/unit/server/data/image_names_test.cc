#include "server/data/image_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ImageNamesTest : public testing::Test {
 protected:
  ImageNamesTest() {
    WriteFolder(dir_.File("a"), {{"J000/J0001.1.jpg", MakeJpeg(8, 8), ""},
                                 {"J001/J0001.1.jpg", MakeJpeg(8, 8), ""},
                                 {"J001/x.png", MakePng(8, 8, 2, 8), ""}});
    WriteFolder(dir_.File("b"), {{"y.jpg", MakeJpeg(8, 8), ""}});
    for (const char* name : {"a", "b"}) {
      auto container = OpenContainer(dir_.File(name), {});
      EXPECT_TRUE(container.ok()) << container.status();
      containers_.push_back(std::move(*container));
    }
  }

  std::vector<std::string> Find(const std::string& name) {
    ImageNames names(containers_);
    std::vector<std::string> paths;
    for (const auto& place : names.Find(name)) {
      paths.push_back(containers_[place.container]->entries()[place.entry].path);
    }
    return paths;
  }

  TempDir dir_;
  std::vector<std::unique_ptr<Container>> containers_;
};

TEST_F(ImageNamesTest, OneOfTheTwoMayGiveMoreOfThePath) {
  EXPECT_THAT(Find("J000/J0001.1.jpg"), ElementsAre("J000/J0001.1.jpg"));
  EXPECT_THAT(Find("/home/me/images/J001/J0001.1.jpg"), ElementsAre("J001/J0001.1.jpg"));
  EXPECT_THAT(Find("./images/y.jpg"), ElementsAre("y.jpg"));
  EXPECT_THAT(Find("x.png"), ElementsAre("J001/x.png"));
}

TEST_F(ImageNamesTest, SuffixesMayDiffer) {
  EXPECT_THAT(Find("J000/J0001.1.png"), ElementsAre("J000/J0001.1.jpg"));
  EXPECT_THAT(Find("J000/J0001.1"), ElementsAre("J000/J0001.1.jpg"));
}

TEST_F(ImageNamesTest, WhatFitsSeveralOrNoneIsNotGuessed) {
  EXPECT_EQ(Find("J0001.1.jpg").size(), 2u);
  EXPECT_THAT(Find("J002/J0001.1.jpg"), IsEmpty());
  EXPECT_THAT(Find("1.jpg"), IsEmpty());
  EXPECT_THAT(Find(""), IsEmpty());
}

}  // namespace
}  // namespace skytrain::data
