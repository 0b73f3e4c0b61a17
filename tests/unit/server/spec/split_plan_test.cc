#include "server/spec/split_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace skytrain::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SplitPlan Plan(const v1::Splits& splits, const std::vector<OwnSplit>& own) {
  Violations violations;
  SplitPlan plan = PlanSplits(splits, own, violations);
  EXPECT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
  return plan;
}

TEST(StratifiedCounts, TotalIsTheNearestToTheFraction) {
  EXPECT_THAT(StratifiedCounts({451, 444, 33, 203, 843}, 0.1), ElementsAre(45, 45, 3, 20, 84));
  EXPECT_THAT(StratifiedCounts({10, 10}, 0.5), ElementsAre(5, 5));
  EXPECT_THAT(StratifiedCounts({3, 3}, 0.1), ElementsAre(1, 0));
  EXPECT_THAT(StratifiedCounts({0, 0}, 0.1), ElementsAre(0, 0));
}

TEST(PlanSplits, SetWithoutSplitsGetsATenthForValidationAndNoTest) {
  const SplitPlan plan = Plan({}, {{"", {50, 50}}});
  EXPECT_THAT(plan.train_counts, ElementsAre(45, 45));
  EXPECT_THAT(plan.validation_counts, ElementsAre(5, 5));
  EXPECT_THAT(plan.test_counts, IsEmpty());
}

TEST(PlanSplits, ValIsTheTestSplitWhenNothingElseIs) {
  const SplitPlan plan = Plan({}, {{"train", {50, 50}}, {"val", {7, 8}}});
  EXPECT_EQ(plan.test, 1);
  EXPECT_EQ(plan.validation, -1);
  EXPECT_THAT(plan.validation_counts, ElementsAre(5, 5));
  EXPECT_THAT(plan.test_counts, ElementsAre(7, 8));
}

TEST(PlanSplits, ValSelectsWhereThereIsATestSplit) {
  const SplitPlan plan = Plan({}, {{"train", {50}}, {"val", {7}}, {"test", {9}}});
  EXPECT_EQ(plan.validation, 1);
  EXPECT_EQ(plan.test, 2);
  EXPECT_THAT(plan.train_counts, ElementsAre(50));
}

TEST(PlanSplits, ValidationAndValidAreTakenAsTheyAre) {
  for (const char* name : {"validation", "valid", "Valid"}) {
    const SplitPlan plan = Plan({}, {{"test", {9}}, {"train", {50}}, {name, {7}}});
    EXPECT_EQ(plan.validation, 2) << name;
    EXPECT_EQ(plan.test, 0) << name;
  }
}

TEST(PlanSplits, TrainIsAllThatOthersLeaveWhereTheSetHasNoTrainSplit) {
  const SplitPlan plan = Plan({}, {{"test", {5}}, {"validation", {6}}, {"", {70}}});
  EXPECT_THAT(plan.train_counts, ElementsAre(70));
}

TEST(PlanSplits, FractionsAreDrawnFromTrainAlone) {
  v1::Splits splits;
  splits.mutable_test()->set_fraction(0.2);
  splits.mutable_validation()->set_fraction(0.1);
  splits.mutable_train()->set_fraction(0.5);
  const SplitPlan plan = Plan(splits, {{"train", {100}}, {"val", {40}}});
  EXPECT_THAT(plan.test_counts, ElementsAre(20));
  EXPECT_THAT(plan.validation_counts, ElementsAre(10));
  EXPECT_THAT(plan.train_counts, ElementsAre(50));
}

TEST(PlanSplits, NamedSplitsAreTakenWhole) {
  v1::Splits splits;
  splits.mutable_train()->set_named("a");
  splits.mutable_validation()->set_named("b");
  splits.mutable_test()->set_named("c");
  const SplitPlan plan = Plan(splits, {{"a", {1}}, {"b", {2}}, {"c", {3}}, {"d", {4}}});
  EXPECT_THAT(plan.train_counts, ElementsAre(1));
  EXPECT_THAT(plan.validation_counts, ElementsAre(2));
  EXPECT_THAT(plan.test_counts, ElementsAre(3));
}

TEST(PlanSplits, TablesAreOwnSplitsOfTheirFieldsNames) {
  v1::Splits splits;
  splits.mutable_test()->set_table("t.parquet");
  splits.mutable_train()->mutable_kfold();
  EXPECT_THAT(SplitTables(splits), ElementsAre(std::pair("data.splits.test.table", "t.parquet")));
  splits.clear_train();
  const SplitPlan plan = Plan(splits, {{TableSplit("test"), {5, 6}}, {"", {50, 50}}});
  EXPECT_EQ(plan.test, 0);
  EXPECT_THAT(plan.test_counts, ElementsAre(5, 6));
  EXPECT_THAT(plan.train_counts, ElementsAre(45, 45));
}

TEST(PlanSplits, FoldsDifferByOneAtMostAndCoverAll) {
  const std::vector<OwnSplit> own{{"", {451, 444, 33, 203, 843}}};
  std::vector<int64_t> covered(5);
  for (int fold = 0; fold < 5; ++fold) {
    v1::Splits splits;
    splits.mutable_test()->mutable_kfold()->set_folds(5);
    splits.mutable_test()->mutable_kfold()->set_fold(fold);
    const SplitPlan plan = Plan(splits, own);
    const int64_t size =
        std::accumulate(plan.test_counts.begin(), plan.test_counts.end(), int64_t{0});
    EXPECT_GE(size, 394) << fold;
    EXPECT_LE(size, 395) << fold;
    for (int c = 0; c < 5; ++c) {
      covered[c] += plan.test_counts[c];
      EXPECT_NEAR(plan.test_counts[c], own[0].class_counts[c] / 5.0, 1) << fold << " " << c;
      EXPECT_EQ(plan.test_counts[c] + plan.validation_counts[c] + plan.train_counts[c],
                own[0].class_counts[c]);
    }
  }
  EXPECT_EQ(covered, own[0].class_counts);
}

}  // namespace
}  // namespace skytrain::spec
