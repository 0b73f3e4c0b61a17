#include "server/spec/class_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"

namespace skytrain::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string>& GalaxyZoo1() {
  static const auto* names = new std::vector<std::string>{"0", "1", "2", "3", "4", "5"};
  return *names;
}

// As the example of the schema has it.
v1::Classes Merged() {
  v1::Classes classes;
  const std::pair<const char*, const char*> merge[] = {
      {"smooth", "0"}, {"clockwise", "1"}, {"anticlockwise", "2"}, {"edge_on", "3"}};
  for (const auto& [target, name] : merge) (*classes.mutable_merge())[target].add_names(name);
  classes.add_drop("4");
  classes.add_drop("5");
  return classes;
}

TEST(PlanClasses, RenamesMergesAndDrops) {
  Violations violations;
  v1::Classes classes = Merged();
  ClassPlan plan = PlanClasses(classes, GalaxyZoo1(), violations);
  EXPECT_THAT(plan.classes, ElementsAre("anticlockwise", "clockwise", "edge_on", "smooth"));
  EXPECT_THAT(plan.number_of, ElementsAre(3, 1, 0, 2, -1, -1));

  (*classes.mutable_merge())["smooth"].add_names("5");
  classes.mutable_drop()->RemoveLast();
  plan = PlanClasses(classes, GalaxyZoo1(), violations);
  EXPECT_THAT(plan.number_of, ElementsAre(3, 1, 0, 2, -1, 3));
  EXPECT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
}

TEST(PlanClasses, WhatIsNotNamedStays) {
  Violations violations;
  v1::Classes classes;
  (*classes.mutable_merge())["1"].add_names("2");
  (*classes.mutable_merge())["1"].add_names("1");
  const ClassPlan plan = PlanClasses(classes, {"0", "1", "2", "10"}, violations);
  EXPECT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
  EXPECT_THAT(plan.classes, ElementsAre("0", "1", "10"));  // By value.
  EXPECT_THAT(plan.number_of, ElementsAre(0, 1, 1, 2));
}

TEST(PlanClasses, EveryMistakeIsNamed) {
  Violations violations;
  v1::Classes classes = Merged();
  classes.add_drop("0");
  classes.add_drop("6");
  classes.mutable_drop()->erase(classes.mutable_drop()->begin() + 1);  // "5" stays a class.
  (*classes.mutable_merge())["nothing"];
  (*classes.mutable_merge())["5"].add_names("9");
  PlanClasses(classes, GalaxyZoo1(), violations);
  std::vector<std::string> texts;
  for (const FieldViolation& v : ViolationsOf(violations.ToStatus())) {
    texts.push_back(v.field + ": " + v.description);
  }
  EXPECT_THAT(texts,
              ElementsAre(HasSubstr("merge.5: the data set has no class \"9\""),
                          HasSubstr("merge.nothing: names no class"),
                          HasSubstr("drop: names the class \"0\", which data.classes.merge.smooth"),
                          HasSubstr("drop: the data set has no class \"6\""),
                          HasSubstr("merge.5: the data set has a class \"5\" already")));
}

TEST(WithClasses, CountsOfClassesAndSplitsAddUp) {
  v1::DatasetManifest manifest;
  manifest.set_count(21);
  for (int c = 0; c < 6; ++c) {
    manifest.add_classes()->set_name(GalaxyZoo1()[c]);
    manifest.mutable_classes(c)->set_count(c + 1);
  }
  auto* split = manifest.add_splits();
  split->set_name("train");
  split->set_count(6);
  for (int c = 0; c < 6; ++c) split->add_class_counts(1);
  Violations violations;
  v1::Classes classes = Merged();
  (*classes.mutable_merge())["smooth"].add_names("5");
  classes.mutable_drop()->RemoveLast();
  const auto after = WithClasses(PlanClasses(classes, GalaxyZoo1(), violations), manifest);
  EXPECT_EQ(after.count(), 16);
  EXPECT_EQ(after.classes(3).name(), "smooth");
  EXPECT_EQ(after.classes(3).count(), 7);
  EXPECT_EQ(after.splits(0).count(), 5);
  EXPECT_THAT(std::vector<int64_t>(after.splits(0).class_counts().begin(),
                                   after.splits(0).class_counts().end()),
              ElementsAre(1, 1, 1, 2));
}

}  // namespace
}  // namespace skytrain::spec
