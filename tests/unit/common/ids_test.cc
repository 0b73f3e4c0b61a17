#include "common/ids.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "common/errors.h"

namespace skytrain {
namespace {

TEST(IdsTest, JobNamesParseWithAndWithoutPrefix) {
  EXPECT_EQ(*ParseJobName("jobs/galaxies-7k2m"), "galaxies-7k2m");
  EXPECT_EQ(*ParseJobName("galaxies-7k2m"), "galaxies-7k2m");
}

TEST(IdsTest, BadJobIdsAreRefused) {
  for (const char* id : {"", "ab", "-abc", "abc-", "Abc", "a/b/c", "a b c", "../etc"}) {
    EXPECT_EQ(ReasonOf(ParseJobName(id).status()), "BAD_NAME") << id;
  }
  EXPECT_FALSE(ValidateJobId(std::string(64, 'a')).ok());
  EXPECT_TRUE(ValidateJobId(std::string(63, 'a')).ok());
}

TEST(IdsTest, ModelNamesParseInAllSpellings) {
  for (const char* name : {"models/gal/versions/3", "gal@3"}) {
    const auto parsed = ParseModelName(name);
    ASSERT_TRUE(parsed.ok()) << name;
    EXPECT_EQ(parsed->ToString(), "models/gal/versions/3");
  }
  EXPECT_EQ(ParseModelName("gal")->version, 0);
  EXPECT_EQ(ParseModelName("models/gal")->version, 0);
  for (const char* name :
       {"gal@", "gal@0", "gal@X", "gal@-x", "gal@1x", "models/gal/versions/", "models/gal/aliases/",
        "models/gal/aliases/3", "models/gal/versions/x", "models/../versions/1"}) {
    EXPECT_EQ(ReasonOf(ParseModelName(name).status()), "BAD_NAME") << name;
  }
}

TEST(IdsTest, AliasesOfModelsParseInAllSpellings) {
  for (const char* name : {"models/gal/aliases/best", "gal@best"}) {
    const auto parsed = ParseModelName(name);
    ASSERT_TRUE(parsed.ok()) << name;
    EXPECT_EQ(parsed->ToString(), "models/gal/aliases/best");
    EXPECT_EQ(parsed->version, 0);
  }
  EXPECT_EQ(ParseModelName("gal")->ToString(), "models/gal");
  EXPECT_TRUE(ValidateModelAlias("a").ok());
  EXPECT_TRUE(ValidateModelAlias("v2-of_paper").ok());
  for (const std::string& alias : {std::string(), std::string("2"), std::string("Best"),
                                   std::string("a b"), std::string("-a"), std::string(64, 'a')}) {
    EXPECT_EQ(ReasonOf(ValidateModelAlias(alias)), "BAD_NAME") << alias;
  }
}

TEST(IdsTest, NamesOfDataSetsAreNoPathsAndNoOtherResources) {
  for (const char* name : {"gz2-kaggle5", "gz/2/images_of", "0", "datasets/gz"}) {
    EXPECT_TRUE(ParseDatasetName(name).ok()) << name;
  }
  EXPECT_EQ(DatasetName(*ParseDatasetName("datasets/a/b")), "datasets/a/b");
  EXPECT_TRUE(ParseDatasetName(std::string(100, 'a')).ok());
  for (const std::string& name :
       {std::string(), std::string("/data/gz"), std::string("./gz"), std::string("gz.tar"),
        std::string("gz/"), std::string("a//b"), std::string("_a"), std::string("GZ"),
        std::string("a b"), std::string("blobs/a"), std::string("datasets/datasets/a"),
        std::string("models"), std::string(101, 'a')}) {
    EXPECT_EQ(ReasonOf(ParseDatasetName(name).status()), "BAD_NAME") << name;
  }
}

TEST(IdsTest, UidsAreUniqueAndSortByTime) {
  std::set<std::string> uids;
  std::string last_prefix;
  for (int i = 0; i < 1000; ++i) {
    const std::string uid = NewUid();
    EXPECT_EQ(uid.size(), 26u);
    EXPECT_GE(uid.substr(0, 10), last_prefix);
    last_prefix = uid.substr(0, 10);
    uids.insert(uid);
  }
  EXPECT_EQ(uids.size(), 1000u);
}

}  // namespace
}  // namespace skytrain
