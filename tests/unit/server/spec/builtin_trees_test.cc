// Every tree that need not be written down is one that volunteers can be led through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/spec/decision_tree.h"

namespace skytrain::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Question = v1::DecisionTree::Question;

struct Case {
  const char* name;
  const char* suffix;  // Between a question's name and its answers' in the names of columns.
  int questions;
  int columns;
};

class EachTree : public testing::TestWithParam<Case> {
 protected:
  const v1::DecisionTree tree_ = BuiltinTree(GetParam().name);

  std::map<std::string, const Question*> ByAnswer() const {
    std::map<std::string, const Question*> questions;
    for (const Question& question : tree_.questions()) {
      for (const std::string& answer : question.answers()) questions[answer] = &question;
    }
    return questions;
  }
  static std::vector<std::string> ParentsOf(const Question& question) {
    std::vector<std::string> parents(question.or_after().begin(), question.or_after().end());
    if (!question.after().empty()) parents.insert(parents.begin(), question.after());
    return parents;
  }
};

TEST_P(EachTree, HasItsSurveysColumnsEachOnce) {
  ASSERT_EQ(tree_.questions_size(), GetParam().questions);
  std::set<std::string> names, columns;
  int count = 0;
  for (const Question& question : tree_.questions()) {
    EXPECT_TRUE(names.insert(question.name()).second) << question.name();
    EXPECT_GE(question.answers_size(), 2) << question.name();
    for (const std::string& answer : question.answers()) {
      ++count;
      EXPECT_TRUE(columns.insert(answer).second) << answer;
      if (absl::string_view(GetParam().name) == "kaggle37") continue;
      // "smooth-or-featured-dr5_smooth": nothing but small letters, digits and hyphens.
      const std::string prefix = absl::StrCat(question.name(), GetParam().suffix, "_");
      EXPECT_TRUE(absl::StartsWith(answer, prefix)) << answer << " of " << question.name();
      EXPECT_EQ(answer.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-", prefix.size()),
                std::string::npos)
          << answer;
      EXPECT_GT(answer.size(), prefix.size()) << answer;
    }
  }
  EXPECT_EQ(count, GetParam().columns);
}

TEST_P(EachTree, QuestionsFollowAnswersThatThereAre) {
  const auto by_answer = ByAnswer();
  for (const Question& question : tree_.questions()) {
    const std::vector<std::string> parents = ParentsOf(question);
    EXPECT_EQ(std::set<std::string>(parents.begin(), parents.end()).size(), parents.size());
    const Question* asked = nullptr;
    for (const std::string& parent : parents) {
      const auto found = by_answer.find(parent);
      ASSERT_NE(found, by_answer.end()) << question.name() << " follows " << parent;
      EXPECT_NE(found->second, &question) << question.name() << " follows itself";
      // Several ways to a question are answers to one other: shares of it can be added.
      if (asked != nullptr) EXPECT_EQ(found->second, asked) << question.name();
      asked = found->second;
    }
  }
}

// From the questions that everybody is asked, answer by answer: that also finds circles, which
// nobody gets into.
TEST_P(EachTree, EveryQuestionIsReachedFromTheFirstOnes) {
  std::set<const Question*> reached;
  std::set<std::string> answers;
  for (bool moved = true; moved;) {
    moved = false;
    for (const Question& question : tree_.questions()) {
      const std::vector<std::string> parents = ParentsOf(question);
      bool asked = parents.empty();
      for (const std::string& parent : parents) asked |= answers.contains(parent);
      if (!asked || !reached.insert(&question).second) continue;
      moved = true;
      answers.insert(question.answers().begin(), question.answers().end());
    }
  }
  for (const Question& question : tree_.questions()) {
    EXPECT_TRUE(reached.contains(&question)) << question.name() << " is never asked";
  }
}

TEST_P(EachTree, PlansWithoutAComplaint) {
  Violations violations;
  const TreePlan plan = PlanTree("task.tree", tree_, violations);
  EXPECT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
  EXPECT_EQ(plan.questions.size(), static_cast<size_t>(GetParam().questions));
  EXPECT_EQ(plan.columns.size(), static_cast<size_t>(GetParam().columns));
}

INSTANTIATE_TEST_SUITE_P(
    Trees, EachTree,
    testing::Values(Case{"kaggle37", "", 11, 37}, Case{"gz2", "-gz2", 10, 30},
                    Case{"decals", "", 10, 34}, Case{"decals_dr5", "-dr5", 10, 34},
                    Case{"decals_dr8", "-dr8", 10, 34}, Case{"decals_dr12", "-dr12", 10, 30},
                    Case{"gz_hubble", "-hubble", 13, 40}, Case{"gz_candels", "-candels", 12, 38},
                    Case{"gz_cosmic_dawn", "-cd", 13, 45}, Case{"gz_jwst", "-jwst", 13, 45},
                    Case{"gz_rings", "", 1, 2}, Case{"gz_evo", "", 78, 251}),
    [](const auto& info) { return std::string(info.param.name); });

// "after" and "or_after" of a question.
std::vector<std::string> WhatLeadsTo(const std::string& tree, const std::string& name) {
  std::vector<std::string> parents;
  const v1::DecisionTree asked = BuiltinTree(tree);
  for (const Question& question : asked.questions()) {
    if (question.name() != name) continue;
    if (!question.after().empty()) parents.push_back(question.after());
    parents.insert(parents.end(), question.or_after().begin(), question.or_after().end());
  }
  return parents;
}

// As cosmic_dawn_ortho_dependencies of galaxy-datasets has it, and for JWST the same.
TEST(BuiltinTrees, CosmicDawnAsksAboutClumpsAndProblems) {
  for (const auto& [tree, suffix] :
       {std::pair("gz_cosmic_dawn", "-cd"), std::pair("gz_jwst", "-jwst")}) {
    EXPECT_THAT(WhatLeadsTo(tree, "clumps"),
                ElementsAre(absl::StrCat("disk-edge-on", suffix, "_no")));
    EXPECT_THAT(WhatLeadsTo(tree, "problem"),
                ElementsAre(absl::StrCat("smooth-or-featured", suffix, "_problem")));
    EXPECT_THAT(WhatLeadsTo(tree, "artifact"),
                ElementsAre(absl::StrCat("problem", suffix, "_artifact")));
    EXPECT_THAT(WhatLeadsTo(tree, "merging"),
                ElementsAre(absl::StrCat("smooth-or-featured", suffix, "_smooth"),
                            absl::StrCat("smooth-or-featured", suffix, "_featured-or-disk")));
    EXPECT_THAT(WhatLeadsTo(tree, "smooth-or-featured"), IsEmpty());
  }
}

// As hubble_ortho_dependencies and candels_ortho_dependencies have it.
TEST(BuiltinTrees, DistantGalaxiesAreClumpyOrDiscs) {
  for (const auto& [tree, suffix] :
       {std::pair("gz_hubble", "-hubble"), std::pair("gz_candels", "-candels")}) {
    EXPECT_THAT(WhatLeadsTo(tree, "clumpy-appearance"),
                ElementsAre(absl::StrCat("smooth-or-featured", suffix, "_features")));
    EXPECT_THAT(WhatLeadsTo(tree, "clump-count"),
                ElementsAre(absl::StrCat("clumpy-appearance", suffix, "_yes")));
    EXPECT_THAT(WhatLeadsTo(tree, "disk-edge-on"),
                ElementsAre(absl::StrCat("clumpy-appearance", suffix, "_no")));
    EXPECT_THAT(WhatLeadsTo(tree, "bulge-size"),
                ElementsAre(absl::StrCat("disk-edge-on", suffix, "_no")));
  }
  EXPECT_THAT(WhatLeadsTo("gz_hubble", "galaxy-symmetrical"),
              ElementsAre("clumpy-appearance-hubble_yes"));
  EXPECT_THAT(WhatLeadsTo("gz_hubble", "clumps-embedded-larger-object"),
              ElementsAre("clumpy-appearance-hubble_yes"));
  EXPECT_THAT(WhatLeadsTo("gz_hubble", "bulge-shape"), ElementsAre("disk-edge-on-hubble_yes"));
  EXPECT_THAT(WhatLeadsTo("gz_candels", "edge-on-bulge"), ElementsAre("disk-edge-on-candels_yes"));
}

// get_gz_evo_v1_metadata: the campaigns in this order, each with all of its columns.
TEST(BuiltinTrees, EvoIsTheCampaignsSideBySide) {
  std::vector<std::string> expected, columns;
  for (const char* name : {"decals_dr12", "decals_dr5", "decals_dr8", "gz2", "gz_candels",
                           "gz_hubble", "gz_cosmic_dawn"}) {
    const v1::DecisionTree tree = BuiltinTree(name);
    for (const Question& question : tree.questions()) {
      expected.insert(expected.end(), question.answers().begin(), question.answers().end());
    }
  }
  const v1::DecisionTree all = BuiltinTree("gz_evo");
  for (const Question& question : all.questions()) {
    columns.insert(columns.end(), question.answers().begin(), question.answers().end());
    EXPECT_TRUE(absl::StartsWith(question.answers(0), question.name() + "_")) << question.name();
  }
  EXPECT_EQ(columns, expected);
}

TEST(BuiltinTrees, OtherNamesHaveNone) {
  for (const char* name : {"", "gz3", "GZ2", "gz2 "}) {
    EXPECT_EQ(BuiltinTree(name).questions_size(), 0) << name;
  }
}

}  // namespace
}  // namespace skytrain::spec
