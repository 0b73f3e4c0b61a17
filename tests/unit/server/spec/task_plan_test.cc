#include "server/spec/task_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "google/protobuf/text_format.h"

namespace skytrain::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

v1::Task Task(const std::string& text) {
  v1::Task task;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &task)) << text;
  return task;
}

TaskPlan Planned(const std::string& text) {
  Violations violations;
  TaskPlan plan = PlanTask(Task(text), violations);
  EXPECT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
  return plan;
}

// "field: what is wrong" of each mistake.
std::vector<std::string> Mistakes(const std::string& text) {
  Violations violations;
  PlanTask(Task(text), violations);
  std::vector<std::string> lines;
  for (const FieldViolation& violation : ViolationsOf(violations.ToStatus())) {
    lines.push_back(absl::StrCat(violation.field, ": ", violation.description));
  }
  return lines;
}

TEST(PlanTask, GalaxyChallengeHasItsThirtySevenColumnsInTheirOrder) {
  const TaskPlan plan = Planned("vote_fractions { builtin_tree: 'kaggle37' }");
  EXPECT_EQ(plan.kind, TaskPlan::Kind::kVoteFractions);
  ASSERT_EQ(plan.targets.values.size(), 37);
  EXPECT_EQ(plan.targets.values[0], "Class1.1");
  EXPECT_EQ(plan.targets.values[36], "Class11.6");
  EXPECT_EQ(plan.targets.lowest, 0);
  EXPECT_EQ(plan.targets.highest, 1);
  ASSERT_EQ(plan.tree.questions.size(), 11);
  // The bulge is asked of everybody who saw a disk that is not edge-on: Class4.1 and Class4.2.
  const TreePlan::Question& bulge = plan.tree.questions[4];
  EXPECT_EQ(bulge.name, "bulge");
  EXPECT_EQ(bulge.answers, 4);
  EXPECT_THAT(bulge.after, ElementsAre(7, 8));
  EXPECT_THAT(plan.tree.questions[5].after, IsEmpty());  // Odd features: everybody.
}

TEST(PlanTask, TreesOfGalaxyZooNameTheColumnsOfTheirCatalogs) {
  for (const auto& [name, first, last, columns] :
       {std::tuple{"gz2", "smooth-or-featured-gz2_smooth", "spiral-arm-count-gz2_cant-tell", 30},
        std::tuple{"decals", "smooth-or-featured_smooth", "merging_merger", 34},
        std::tuple{"decals_dr8", "smooth-or-featured-dr8_smooth", "merging-dr8_merger", 34}}) {
    const TaskPlan plan = Planned(absl::StrCat("vote_counts { builtin_tree: '", name, "' }"));
    EXPECT_EQ(plan.tree.questions.size(), 10) << name;
    EXPECT_EQ(plan.targets.values.front(), first);
    EXPECT_EQ(plan.targets.values.back(), last);
    EXPECT_EQ(plan.targets.values.size(), columns);
    EXPECT_FALSE(plan.targets.empty_is_zero);
  }
  EXPECT_TRUE(Planned("vote_counts { builtin_tree: 'gz2' missing: MISSING_ZERO_VOTES }")
                  .targets.empty_is_zero);
}

TEST(PlanTask, EveryCampaignOfGalaxyZooHasItsTree) {
  for (const auto& [name, questions, columns, first, last] :
       {std::tuple{"decals_dr12", 10, 30, "smooth-or-featured-dr12_smooth", "merging-dr12_merger"},
        std::tuple{"gz_hubble", 13, 40, "smooth-or-featured-hubble_smooth",
                   "clumps-embedded-larger-object-hubble_no"},
        std::tuple{"gz_candels", 12, 38, "smooth-or-featured-candels_smooth",
                   "merging-candels_neither"},
        std::tuple{"gz_cosmic_dawn", 13, 45, "smooth-or-featured-cd_smooth", "artifact-cd_other"},
        std::tuple{"gz_jwst", 13, 45, "smooth-or-featured-jwst_smooth", "artifact-jwst_other"},
        std::tuple{"gz_rings", 1, 2, "ring_yes", "ring_no"},
        std::tuple{"gz_evo", 78, 251, "smooth-or-featured-dr12_smooth", "artifact-cd_other"}}) {
    // Planned refuses a question that no answer of the tree leads to, and answers that come twice.
    const TaskPlan plan = Planned(
        absl::StrCat("vote_counts { builtin_tree: '", name, "' missing: MISSING_ZERO_VOTES }"));
    EXPECT_EQ(plan.tree.questions.size(), questions) << name;
    EXPECT_EQ(plan.targets.values.size(), columns) << name;
    EXPECT_EQ(plan.targets.values.front(), first);
    EXPECT_EQ(plan.targets.values.back(), last);
  }
}

TEST(PlanTask, EachCampaignOfGzEvoBeginsWithAQuestionForAll) {
  const TaskPlan plan =
      Planned("vote_counts { builtin_tree: 'gz_evo' missing: MISSING_ZERO_VOTES }");
  std::vector<std::string> roots;
  for (const TreePlan::Question& question : plan.tree.questions) {
    if (question.after.empty()) roots.push_back(question.name);
    // What leads to a question is of its own campaign.
    const std::string suffix = question.name.substr(question.name.rfind('-'));
    for (const int answer : question.after) {
      EXPECT_THAT(plan.targets.values[answer], HasSubstr(suffix + "_")) << question.name;
    }
  }
  EXPECT_THAT(roots, UnorderedElementsAre("smooth-or-featured-dr12", "smooth-or-featured-dr5",
                                          "smooth-or-featured-dr8", "smooth-or-featured-gz2",
                                          "smooth-or-featured-candels", "smooth-or-featured-hubble",
                                          "smooth-or-featured-cd"));
}

TEST(PlanTask, HubblesFeaturesAreClumpyBeforeTheyAreDisks) {
  const TaskPlan plan = Planned("vote_counts { builtin_tree: 'gz_hubble' }");
  for (const TreePlan::Question& question : plan.tree.questions) {
    if (question.name != "disk-edge-on") continue;
    ASSERT_EQ(question.after.size(), 1);
    EXPECT_EQ(plan.targets.values[question.after[0]], "clumpy-appearance-hubble_no");
  }
}

TEST(PlanTask, QuestionsOfATreeAreOrderedByWhatLeadsToThem) {
  const TaskPlan plan = Planned(R"(vote_counts { tree {
      questions { name: 'arms' answers: ['one', 'two'] after: 'spiral' }
      questions { name: 'kind' answers: ['round', 'spiral'] } } })");
  EXPECT_THAT(plan.targets.values, ElementsAre("one", "two", "round", "spiral"));
  ASSERT_EQ(plan.tree.questions.size(), 2);
  EXPECT_EQ(plan.tree.questions[0].name, "kind");
  EXPECT_EQ(plan.tree.questions[0].first, 2);
  EXPECT_THAT(plan.tree.questions[1].after, ElementsAre(3));
}

TEST(PlanTask, EveryMistakeInATreeIsNamed) {
  EXPECT_THAT(
      Mistakes(R"(vote_fractions { tree {
          questions { name: 'kind' answers: ['round', 'spiral'] }
          questions { name: 'arms' answers: ['one', 'round'] after: 'spirals' }
          questions { name: 'kind' answers: ['x'] or_after: 'one' }
          questions { name: 'a' answers: ['a1', 'a2'] after: 'b1' }
          questions { name: 'b' answers: ['b1', 'b2'] after: 'a1' or_after: 'a1' } } })"),
      UnorderedElementsAre(
          HasSubstr("tree.questions[1].answers: \"round\" is an answer already, of \"kind\""),
          HasSubstr("questions[1].after: no question has the answer \"spirals\"; did you mean "
                    "\"spiral\"?"),
          HasSubstr("questions[2].name: \"kind\" is also task.vote_fractions.tree.questions[0]"),
          HasSubstr("questions[2].answers: must be at least 2 columns, not 1"),
          HasSubstr("questions[2].or_after: is for more answers"), HasSubstr("names \"a1\" twice"),
          HasSubstr("task.vote_fractions.tree: leads in a circle: \"a\", \"b\" can never be")));
}

TEST(PlanTask, TreesThatAreNotThereAreRefused) {
  EXPECT_THAT(Mistakes("vote_counts { builtin_tree: 'kaggle37' }"),
              ElementsAre(HasSubstr("task.vote_counts.builtin_tree: must be one of gz2, decals")));
  EXPECT_THAT(Mistakes("vote_fractions { }"),
              ElementsAre(HasSubstr("needs one of builtin_tree (kaggle37), tree")));
  EXPECT_THAT(Mistakes("vote_fractions { tree { } }"),
              ElementsAre(HasSubstr("task.vote_fractions.tree: needs questions")));
}

TEST(PlanTask, NumbersOfOtherTasksAreChecked) {
  EXPECT_THAT(Mistakes("regression { targets: ['z', ''] huber_delta: 2 }"),
              UnorderedElementsAre(HasSubstr("task.regression.targets[1]: is empty"),
                                   HasSubstr("huber_delta: is for loss: huber")));
  EXPECT_THAT(Mistakes("multi_label { }"),
              ElementsAre(HasSubstr("task.multi_label.targets: required")));
  EXPECT_THAT(Mistakes("classification { label_smoothing: 1 focal_gamma: -1 }"),
              UnorderedElementsAre(HasSubstr("label_smoothing: must be at least 0 and less than 1"),
                                   HasSubstr("focal_gamma: must be a finite number")));
  const TaskPlan plan = Planned("regression { targets: 'z' loss: LOSS_HUBER }");
  EXPECT_TRUE(plan.huber);
  EXPECT_EQ(plan.huber_delta, 1.0);
  EXPECT_EQ(SelectableMetrics(plan.kind)[0], "val/rmse");
}

}  // namespace
}  // namespace skytrain::spec
