#include "server/spec/class_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"

namespace skytrain::spec {
namespace {

class Planner {
 public:
  Planner(const std::vector<std::string>& own, Violations& violations)
      : own_(own), violations_(violations), target_(own) {
    for (size_t c = 0; c < own.size(); ++c) number_[own[c]] = c;
  }

  // The class `name` of the set becomes `target`; empty: it is left out.
  void Place(const std::string& field, const std::string& name, const std::string& target) {
    const auto found = number_.find(name);
    if (found == number_.end()) {
      const std::string nearest = NearestName(name, own_);
      violations_.Add(
          field,
          absl::StrCat("the data set has no class \"", Quotable(name), "\"",
                       nearest.empty() ? absl::StrCat("; it has ", absl::StrJoin(own_, ", "))
                                       : absl::StrCat("; did you mean ", Quotable(nearest), "?")));
      return;
    }
    const auto [first, inserted] = placed_.emplace(name, field);
    if (!inserted) {
      violations_.Add(field, absl::StrCat("names the class \"", Quotable(name), "\", which ",
                                          first->second, " names as well"));
      return;
    }
    target_[found->second] = target;
  }

  // A merged class must not take the name of one that stays as it is.
  void CheckName(const std::string& field, const std::string& target) {
    if (number_.count(target) == 0 || placed_.count(target) != 0) return;
    violations_.Add(field, absl::StrCat("the data set has a class \"", Quotable(target),
                                        "\" already: list it, or choose another name"));
  }

  ClassPlan Finish() const {
    ClassPlan plan;
    for (const std::string& name : target_) {
      if (!name.empty()) plan.classes.push_back(name);
    }
    std::sort(plan.classes.begin(), plan.classes.end());
    plan.classes.erase(std::unique(plan.classes.begin(), plan.classes.end()), plan.classes.end());
    SortClasses(plan.classes);
    for (const std::string& name : target_) {
      const auto found = std::find(plan.classes.begin(), plan.classes.end(), name);
      plan.number_of.push_back(
          found == plan.classes.end() ? -1 : static_cast<int32_t>(found - plan.classes.begin()));
    }
    return plan;
  }

 private:
  const std::vector<std::string>& own_;
  Violations& violations_;
  std::map<std::string, size_t> number_;
  std::map<std::string, std::string> placed_;  // Class of the set → the field that names it.
  std::vector<std::string> target_;            // One for each of own_; empty: left out.
};

}  // namespace

ClassPlan PlanClasses(const v1::Classes& classes, const std::vector<std::string>& own,
                      Violations& violations) {
  Planner planner(own, violations);
  // A protobuf map has no order; mistakes are told in that of the names.
  std::map<std::string, const v1::Classes::Names*> merge;
  for (const auto& [target, names] : classes.merge()) merge[target] = &names;
  for (const auto& [target, names] : merge) {
    const std::string field = absl::StrCat("data.classes.merge.", Quotable(target));
    if (target.empty()) violations.Add(field, "a class needs a name");
    if (names->names().empty()) violations.Add(field, "names no class of the data set");
    for (const std::string& name : names->names()) planner.Place(field, name, target);
  }
  for (const std::string& name : classes.drop()) planner.Place("data.classes.drop", name, "");
  for (const auto& [target, names] : merge) {
    planner.CheckName(absl::StrCat("data.classes.merge.", Quotable(target)), target);
  }
  return planner.Finish();
}

v1::DatasetManifest WithClasses(const ClassPlan& plan, v1::DatasetManifest manifest) {
  const v1::DatasetManifest before = manifest;
  manifest.clear_classes();
  for (const std::string& name : plan.classes) manifest.add_classes()->set_name(name);
  manifest.set_count(0);
  for (int c = 0; c < before.classes_size(); ++c) {
    const int32_t to = plan.number_of[c];
    if (to < 0) continue;
    const int64_t count = before.classes(c).count();
    manifest.mutable_classes(to)->set_count(manifest.classes(to).count() + count);
    manifest.set_count(manifest.count() + count);
  }
  for (int s = 0; s < before.splits_size(); ++s) {
    v1::DatasetManifest::SplitCount& split = *manifest.mutable_splits(s);
    split.set_count(0);
    split.mutable_class_counts()->Resize(manifest.classes_size(), 0);
    std::fill(split.mutable_class_counts()->begin(), split.mutable_class_counts()->end(), 0);
    for (int c = 0; c < before.splits(s).class_counts_size(); ++c) {
      const int32_t to = plan.number_of[c];
      if (to < 0) continue;
      const int64_t count = before.splits(s).class_counts(c);
      split.set_class_counts(to, split.class_counts(to) + count);
      split.set_count(split.count() + count);
    }
  }
  return manifest;
}

void SortClasses(std::vector<std::string>& classes) {
  std::vector<std::pair<double, std::string>> numbers;
  for (const std::string& name : classes) {
    double value;
    if (!absl::SimpleAtod(name, &value) || !std::isfinite(value)) break;
    numbers.emplace_back(value, name);
  }
  if (numbers.size() != classes.size()) {
    std::sort(classes.begin(), classes.end());
    return;
  }
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < classes.size(); ++i) classes[i] = std::move(numbers[i].second);
}

}  // namespace skytrain::spec
