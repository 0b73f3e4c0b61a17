#include "server/spec/split_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"

namespace skytrain::spec {
namespace {

int Find(absl::Span<const OwnSplit> own, absl::string_view name) {
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i].name == name) return static_cast<int>(i);
  }
  for (size_t i = 0; i < own.size(); ++i) {
    if (absl::EqualsIgnoreCase(own[i].name, name)) return static_cast<int>(i);
  }
  return -1;
}

int FindNamed(absl::Span<const OwnSplit> own, const std::string& field, const std::string& name,
              Violations& violations) {
  const int found = Find(own, name);
  if (found >= 0) return found;
  std::vector<std::string> names;
  for (const OwnSplit& split : own) {
    if (!split.name.empty()) names.push_back(split.name);
  }
  const std::string nearest = NearestName(name, names);
  violations.Add(
      field, absl::StrCat("the data set has no split \"", Quotable(name), "\"; ",
                          names.empty() ? "it brings no splits along: use a fraction"
                                        : absl::StrCat("it has ", absl::StrJoin(names, ", ")),
                          nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
  return -1;
}

std::vector<int64_t> Clamp(std::vector<int64_t> drawn, absl::Span<const int64_t> left) {
  for (size_t c = 0; c < drawn.size(); ++c) drawn[c] = std::min(drawn[c], left[c]);
  return drawn;
}

void Subtract(const std::vector<int64_t>& drawn, std::vector<int64_t>& left) {
  for (size_t c = 0; c < drawn.size(); ++c) left[c] -= drawn[c];
}

// The own split that a part is when nothing is said, -1 for none.
int DefaultValidation(absl::Span<const OwnSplit> own, int test) {
  for (const char* name : {"validation", "valid"}) {
    if (const int found = Find(own, name); found >= 0 && found != test) return found;
  }
  // "val" selects only where another split is there to test on; else it is the test split.
  const int val = Find(own, "val");
  if (val >= 0 && val != test && (test >= 0 || Find(own, "test") >= 0)) return val;
  return -1;
}

int DefaultTest(absl::Span<const OwnSplit> own, int validation) {
  for (const char* name : {"test", "val"}) {
    if (const int found = Find(own, name); found >= 0 && found != validation) return found;
  }
  return -1;
}

// How many of each class lie in the fold; see SplitPlan.
std::vector<int64_t> FoldCounts(const std::vector<int64_t>& class_counts, const SplitPlan& plan) {
  std::vector<int64_t> counts;
  int64_t begin = 0;
  for (const int64_t count : class_counts) {
    // Numbers below n that are in the fold.
    const auto below = [&](int64_t n) {
      return (n + plan.test_folds - 1 - plan.test_fold) / plan.test_folds;
    };
    counts.push_back(below(begin + count) - below(begin));
    begin += count;
  }
  return counts;
}

void CheckSplit(const std::string& field, const v1::Split& split, Violations& v) {
  switch (split.source_case()) {
    case v1::Split::kFraction:
      if (!(split.fraction() > 0 && split.fraction() < 1)) {
        v.Add(field + ".fraction",
              absl::StrCat("must lie between 0 and 1, both excluded, not ", split.fraction()));
      }
      return;
    case v1::Split::kNamed:
      if (split.named().empty()) v.Add(field + ".named", "must be the name of a split of the set");
      return;
    case v1::Split::kKfold:
      v.Range(field + ".kfold.folds", split.kfold().folds(), 2, 100);
      v.Range(field + ".kfold.fold", split.kfold().fold(), 0,
              std::max(split.kfold().folds() - 1, 1));
      if (field != "data.splits.test") v.Add(field + ".kfold", "is for the test split only");
      return;
    case v1::Split::kTable:
      if (split.table().empty()) v.Add(field + ".table", "must be a path of a table on the server");
      return;
    case v1::Split::SOURCE_NOT_SET:
      v.Add(field, "needs one of fraction, named, kfold, table");
  }
}

}  // namespace

std::string TableSplit(absl::string_view part) {
  return absl::StrCat("data.splits.", part, ".table");
}

std::vector<std::pair<std::string, std::string>> SplitTables(const v1::Splits& splits) {
  std::vector<std::pair<std::string, std::string>> tables;
  const std::pair<const char*, const v1::Split&> parts[] = {
      {"train", splits.train()}, {"validation", splits.validation()}, {"test", splits.test()}};
  for (const auto& [part, split] : parts) {
    if (split.has_table()) tables.emplace_back(TableSplit(part), split.table());
  }
  return tables;
}

void CheckSplits(const v1::Splits& splits, Violations& v) {
  if (splits.has_train()) CheckSplit("data.splits.train", splits.train(), v);
  if (splits.has_validation()) CheckSplit("data.splits.validation", splits.validation(), v);
  if (splits.has_test()) CheckSplit("data.splits.test", splits.test(), v);
  const v1::Split::Kfold& kfold = splits.test().kfold();
  const double held_out = splits.validation().fraction() + splits.test().fraction() +
                          (kfold.folds() > 0 ? 1.0 / kfold.folds() : 0);
  if (held_out >= 1 && splits.validation().fraction() < 1 && splits.test().fraction() < 1) {
    v.Add("data.splits", absl::StrCat("the fractions of validation and test add up to ", held_out,
                                      ": nothing is left to train on"));
  } else if (splits.train().fraction() < 1 && held_out + splits.train().fraction() > 1 + 1e-9) {
    v.Add("data.splits", "the fractions of train, validation and test add up to more than 1");
  }
  const std::pair<const v1::Split&, const char*> named[] = {
      {splits.train(), "train"}, {splits.validation(), "validation"}, {splits.test(), "test"}};
  for (int i = 0; i < 3; ++i) {
    for (int j = i + 1; j < 3; ++j) {
      if (!named[i].first.named().empty() && named[i].first.named() == named[j].first.named()) {
        v.Add(absl::StrCat("data.splits.", named[j].second, ".named"),
              absl::StrCat("\"", Quotable(named[j].first.named()), "\" is already the ",
                           named[i].second, " split; splits must not share samples"));
      }
    }
  }
}

std::vector<int64_t> StratifiedCounts(absl::Span<const int64_t> class_counts, double fraction) {
  const int64_t all = std::accumulate(class_counts.begin(), class_counts.end(), int64_t{0});
  std::vector<int64_t> counts(class_counts.size());
  std::vector<std::pair<double, size_t>> remainders;
  int64_t missing = std::max<int64_t>(std::llround(fraction * static_cast<double>(all)), 1);
  for (size_t c = 0; c < counts.size(); ++c) {
    const double exact = fraction * static_cast<double>(class_counts[c]);
    counts[c] = static_cast<int64_t>(exact);
    missing -= counts[c];
    if (counts[c] < class_counts[c]) {
      remainders.push_back({static_cast<double>(counts[c]) - exact, c});
    }
  }
  std::sort(remainders.begin(), remainders.end());
  for (const auto& [unused, c] : remainders) {
    if (missing-- <= 0) break;
    ++counts[c];
  }
  return counts;
}

SplitPlan PlanSplits(const v1::Splits& splits, absl::Span<const OwnSplit> own,
                     Violations& violations) {
  SplitPlan plan;
  const bool test_fraction = splits.test().source_case() == v1::Split::kFraction;
  bool validation_fraction = splits.validation().source_case() == v1::Split::kFraction;
  if (splits.test().source_case() == v1::Split::kNamed) {
    plan.test = FindNamed(own, "data.splits.test.named", splits.test().named(), violations);
  } else if (splits.test().has_table()) {
    plan.test = FindNamed(own, TableSplit("test"), TableSplit("test"), violations);
  }
  if (splits.validation().source_case() == v1::Split::kNamed) {
    plan.validation =
        FindNamed(own, "data.splits.validation.named", splits.validation().named(), violations);
  } else if (splits.validation().has_table()) {
    plan.validation =
        FindNamed(own, TableSplit("validation"), TableSplit("validation"), violations);
  } else if (!validation_fraction) {
    plan.validation = DefaultValidation(own, plan.test);
    validation_fraction = plan.validation < 0;
  }
  if (!splits.has_test()) plan.test = DefaultTest(own, plan.validation);

  int train = -1;
  if (splits.train().source_case() == v1::Split::kNamed) {
    train = FindNamed(own, "data.splits.train.named", splits.train().named(), violations);
  } else if (splits.train().has_table()) {
    train = FindNamed(own, TableSplit("train"), TableSplit("train"), violations);
  } else if (train = Find(own, "train"); train == plan.test || train == plan.validation) {
    train = -1;
  }
  const size_t classes = own.empty() ? 0 : own[0].class_counts.size();
  plan.train_counts.assign(classes, 0);
  for (int i = 0; i < static_cast<int>(own.size()); ++i) {
    if (train >= 0 ? i != train : i == plan.test || i == plan.validation) continue;
    plan.pool.push_back(i);
    for (size_t c = 0; c < classes; ++c) plan.train_counts[c] += own[i].class_counts[c];
  }
  const std::vector<int64_t> whole = plan.train_counts;
  if (plan.test >= 0) plan.test_counts = own[plan.test].class_counts;
  if (plan.validation >= 0) plan.validation_counts = own[plan.validation].class_counts;
  if (test_fraction) {
    plan.test_drawn = StratifiedCounts(whole, splits.test().fraction());
    plan.test_seed = splits.test().seed();
    plan.test_counts = plan.test_drawn;
    Subtract(plan.test_drawn, plan.train_counts);
  }
  if (splits.test().source_case() == v1::Split::kKfold) {
    const v1::Split::Kfold& kfold = splits.test().kfold();
    plan.test_folds = kfold.folds();
    plan.test_fold = kfold.fold();
    plan.test_seed = kfold.seed();
    plan.test_counts = FoldCounts(whole, plan);
    Subtract(plan.test_counts, plan.train_counts);
  }
  if (validation_fraction) {
    const double fraction = splits.has_validation() ? splits.validation().fraction() : 0.1;
    plan.validation_drawn = Clamp(StratifiedCounts(whole, fraction), plan.train_counts);
    plan.validation_seed = splits.validation().seed();
    plan.validation_counts = plan.validation_drawn;
    Subtract(plan.validation_drawn, plan.train_counts);
  }
  if (splits.train().source_case() == v1::Split::kFraction) {
    plan.train_drawn = Clamp(StratifiedCounts(whole, splits.train().fraction()), plan.train_counts);
    plan.train_seed = splits.train().seed();
    plan.train_counts = plan.train_drawn;
  }
  return plan;
}

}  // namespace skytrain::spec
