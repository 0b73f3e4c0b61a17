#include "server/spec/decision_tree.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"

namespace skytrain::spec {
namespace {

using Question = v1::DecisionTree::Question;

class TreePlanner {
 public:
  TreePlanner(const std::string& field, const v1::DecisionTree& tree, Violations& violations)
      : field_(field), tree_(tree), violations_(violations) {}

  TreePlan Run() {
    if (tree_.questions().empty()) {
      violations_.Add(field_, "needs questions");
      return {};
    }
    for (int q = 0; q < tree_.questions_size(); ++q) Collect(q);
    std::vector<TreePlan::Question> questions;
    for (int q = 0; q < tree_.questions_size(); ++q) questions.push_back(Resolve(q));
    Order(questions);
    return std::move(plan_);
  }

 private:
  std::string FieldOf(int q) const { return absl::StrCat(field_, ".questions[", q, "]"); }

  void Collect(int q) {
    const Question& question = tree_.questions(q);
    const std::string field = FieldOf(q);
    if (question.name().empty()) violations_.Add(field + ".name", "required");
    if (const auto [first, inserted] = names_.emplace(question.name(), q);
        !inserted && !question.name().empty()) {
      violations_.Add(field + ".name", absl::StrCat("\"", Quotable(question.name()), "\" is also ",
                                                    FieldOf(first->second)));
    }
    if (question.answers_size() < 2) {
      violations_.Add(field + ".answers",
                      absl::StrCat("must be at least 2 columns, not ", question.answers_size()));
    }
    first_.push_back(static_cast<int>(plan_.columns.size()));
    for (const std::string& answer : question.answers()) {
      if (answer.empty()) violations_.Add(field + ".answers", "an answer is empty");
      const auto [found, inserted] =
          columns_.emplace(answer, static_cast<int>(plan_.columns.size()));
      if (!inserted && !answer.empty()) {
        violations_.Add(
            field + ".answers",
            absl::StrCat("\"", Quotable(answer), "\" is an answer already, of \"",
                         Quotable(tree_.questions(question_of_[found->second]).name()), "\""));
      }
      plan_.columns.push_back(answer);
      question_of_.push_back(q);
    }
  }

  TreePlan::Question Resolve(int q) {
    const Question& asked = tree_.questions(q);
    TreePlan::Question question{asked.name(), first_[q], asked.answers_size(), {}};
    if (asked.after().empty() && !asked.or_after().empty()) {
      violations_.Add(FieldOf(q) + ".or_after", "is for more answers than the one in `after`");
    }
    std::vector<std::string> parents(asked.or_after().begin(), asked.or_after().end());
    if (!asked.after().empty()) parents.insert(parents.begin(), asked.after());
    for (const std::string& answer : parents) {
      const std::string field = FieldOf(q) + (answer == asked.after() ? ".after" : ".or_after");
      const auto found = columns_.find(answer);
      if (found == columns_.end()) {
        const std::string nearest = NearestName(answer, plan_.columns);
        violations_.Add(
            field, absl::StrCat("no question has the answer \"", Quotable(answer), "\"",
                                nearest.empty()
                                    ? ""
                                    : absl::StrCat("; did you mean \"", Quotable(nearest), "\"?")));
      } else if (std::find(question.after.begin(), question.after.end(), found->second) !=
                 question.after.end()) {
        violations_.Add(field, absl::StrCat("names \"", Quotable(answer), "\" twice"));
      } else {
        question.after.push_back(found->second);
      }
    }
    return question;
  }

  // Each question behind those that lead to it.
  void Order(std::vector<TreePlan::Question>& questions) {
    std::vector<bool> placed(questions.size());
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t q = 0; q < questions.size(); ++q) {
        const std::vector<int>& after = questions[q].after;
        if (placed[q] || !std::all_of(after.begin(), after.end(),
                                      [&](int column) { return placed[question_of_[column]]; })) {
          continue;
        }
        placed[q] = moved = true;
        plan_.questions.push_back(questions[q]);
      }
    }
    std::vector<std::string> left;
    for (size_t q = 0; q < questions.size(); ++q) {
      if (!placed[q]) left.push_back(absl::StrCat("\"", Quotable(questions[q].name), "\""));
    }
    if (left.empty()) return;
    violations_.Add(field_, absl::StrCat("leads in a circle: ", absl::StrJoin(left, ", "),
                                         " can never be asked"));
  }

  const std::string& field_;
  const v1::DecisionTree& tree_;
  Violations& violations_;
  TreePlan plan_;
  std::map<std::string, int> names_, columns_;
  std::vector<int> first_;        // Column of each question's first answer.
  std::vector<int> question_of_;  // Of each column.
};

}  // namespace

TreePlan PlanTree(const std::string& field, const v1::DecisionTree& tree, Violations& violations) {
  return TreePlanner(field, tree, violations).Run();
}

}  // namespace skytrain::spec
