#include "server/data/splits.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/group_splits.h"
#include "server/data/random.h"
#include "server/spec/split_plan.h"

namespace skytrain::data {
namespace {

// Moves the members that are `taken` to `drawn`.
void Take(const std::vector<bool>& taken, std::vector<int64_t>& members,
          std::vector<int64_t>& drawn) {
  std::vector<int64_t> left;
  for (size_t i = 0; i < members.size(); ++i) (taken[i] ? drawn : left).push_back(members[i]);
  members = std::move(left);
}

// Takes counts[c] samples of each class out of `pool` (by class), chosen by `seed`.
std::vector<int64_t> DrawFrom(ClassPool& pool, const std::vector<int64_t>& counts, uint64_t seed) {
  std::vector<int64_t> drawn;
  for (size_t c = 0; c < counts.size(); ++c) {
    std::vector<int64_t>& members = pool[c];
    const std::vector<int64_t> order =
        Permutation(seed, Purpose::kSplit, c, static_cast<int64_t>(members.size()));
    std::vector<bool> taken(members.size());
    for (int64_t k = 0; k < counts[c]; ++k) taken[order[k]] = true;
    Take(taken, members, drawn);
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

// Takes the members of the plan's fold out of `pool` (by class).
std::vector<int64_t> DrawFold(ClassPool& pool, const spec::SplitPlan& plan) {
  std::vector<int64_t> drawn;
  int64_t begin = 0;
  for (size_t c = 0; c < pool.size(); ++c) {
    const auto size = static_cast<int64_t>(pool[c].size());
    const std::vector<int64_t> order = Permutation(plan.test_seed, Purpose::kSplit, c, size);
    std::vector<bool> taken(size);
    for (int64_t k = 0; k < size; ++k) {
      taken[order[k]] = (begin + k) % plan.test_folds == plan.test_fold;
    }
    Take(taken, pool[c], drawn);
    begin += size;
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

// Of those that have a class.
std::vector<int64_t> SamplesOf(absl::Span<const int32_t> own_splits, int32_t split,
                               absl::Span<const int32_t> labels) {
  std::vector<int64_t> samples;
  for (size_t i = 0; i < own_splits.size(); ++i) {
    if (own_splits[i] == split && labels[i] >= 0) samples.push_back(static_cast<int64_t>(i));
  }
  return samples;
}

}  // namespace

absl::StatusOr<SplitSets> ApplySplits(const v1::Splits& splits,
                                      const std::vector<std::string>& own_names,
                                      absl::Span<const int32_t> own_splits,
                                      absl::Span<const int32_t> labels,
                                      const std::vector<std::string>& classes,
                                      absl::Span<const int32_t> groups) {
  const size_t strata = std::max<size_t>(classes.size(), 1);
  // The last one stands for samples in no split.
  std::vector<spec::OwnSplit> own;
  for (const std::string& name : own_names) {
    own.push_back({name, std::vector<int64_t>(strata)});
  }
  own.push_back({"", std::vector<int64_t>(strata)});
  auto own_of = [&](size_t i) { return own_splits[i] < 0 ? own_names.size() : own_splits[i]; };
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0) ++own[own_of(i)].class_counts[labels[i]];
  }

  spec::Violations violations;
  const spec::SplitPlan plan = spec::PlanSplits(splits, own, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ClassPool pool(strata);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0 && std::find(plan.pool.begin(), plan.pool.end(),
                                    static_cast<int>(own_of(i))) != plan.pool.end()) {
      pool[labels[i]].push_back(static_cast<int64_t>(i));
    }
  }
  SplitSets sets;
  if (plan.test >= 0) sets.test = SamplesOf(own_splits, plan.test, labels);
  if (plan.validation >= 0) sets.validation = SamplesOf(own_splits, plan.validation, labels);
  const auto draw = [&](const std::vector<int64_t>& counts, uint64_t seed) {
    return groups.empty() ? DrawFrom(pool, counts, seed) : DrawGroups(pool, counts, seed, groups);
  };
  if (plan.test_folds > 0) {
    sets.test = groups.empty()
                    ? DrawFold(pool, plan)
                    : DrawGroupFold(pool, plan.test_folds, plan.test_fold, plan.test_seed, groups);
  }
  if (!plan.test_drawn.empty()) sets.test = draw(plan.test_drawn, plan.test_seed);
  if (!plan.validation_drawn.empty()) {
    sets.validation = draw(plan.validation_drawn, plan.validation_seed);
  }
  if (!plan.train_drawn.empty()) {
    sets.train = draw(plan.train_drawn, plan.train_seed);
  } else {
    for (const auto& members : pool) {
      sets.train.insert(sets.train.end(), members.begin(), members.end());
    }
    std::sort(sets.train.begin(), sets.train.end());
  }
  if (sets.train.empty()) return DataInvalid("the train split holds no samples");
  // Whole groups may leave less than the plan says.
  std::vector<bool> trained(strata);
  for (const int64_t sample : sets.train) trained[labels[sample]] = true;
  std::vector<std::string> empty;
  for (size_t c = 0; c < classes.size(); ++c) {
    if (!trained[c]) empty.push_back(classes[c]);
  }
  if (!groups.empty() && sets.validation.empty()) {
    return DataInvalid(
        "data.splits.group: its groups are so large that the validation split is empty");
  }
  if (!empty.empty()) {
    return DataInvalid(
        absl::StrCat("empty class: ", SomeOf(empty, static_cast<int64_t>(empty.size())),
                     " without a sample in the train split"));
  }
  return sets;
}

absl::StatusOr<std::vector<int64_t>> EvaluationSamples(const std::string& split,
                                                       const std::vector<std::string>& own_names,
                                                       absl::Span<const int32_t> own_splits,
                                                       absl::Span<const int32_t> labels) {
  const std::vector<std::string> wanted =
      split.empty() ? std::vector<std::string>{"test", "val"} : std::vector<std::string>{split};
  for (const std::string& name : wanted) {
    for (size_t s = 0; s < own_names.size(); ++s) {
      if (absl::EqualsIgnoreCase(own_names[s], name)) {
        return SamplesOf(own_splits, static_cast<int32_t>(s), labels);
      }
    }
  }
  if (!split.empty()) {
    const std::string nearest = NearestName(split, own_names);
    return DataInvalid(absl::StrCat(
        "split: the data set has no split \"", Quotable(split), "\"",
        own_names.empty()
            ? "; it brings no splits along"
            : absl::StrCat("; it has ",
                           SomeOf(own_names, static_cast<int64_t>(own_names.size()), 20)),
        nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
  }
  std::vector<int64_t> all;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0) all.push_back(static_cast<int64_t>(i));
  }
  return all;
}

}  // namespace skytrain::data
