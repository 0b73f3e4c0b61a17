#include "server/data/group_splits.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <utility>

#include "server/data/random.h"

namespace skytrain::data {
namespace {

// Samples that stay together: how many of each class they have. Classes without any are left out.
struct Group {
  std::vector<std::pair<size_t, int64_t>> class_counts;
  int64_t size = 0;
  bool taken = false;
};

// The groups of a pool, in an order that the seed tells.
class PoolGroups {
 public:
  PoolGroups(const ClassPool& pool, absl::Span<const int32_t> groups, uint64_t seed)
      : class_sizes_(pool.size()) {
    std::map<int32_t, std::map<size_t, int64_t>> counts;
    for (size_t c = 0; c < pool.size(); ++c) {
      class_sizes_[c] = static_cast<double>(pool[c].size());
      for (const int64_t sample : pool[c]) ++counts[groups[static_cast<size_t>(sample)]][c];
    }
    const std::vector<int64_t> order =
        Permutation(seed, Purpose::kSplit, 0, static_cast<int64_t>(counts.size()));
    groups_.resize(counts.size());
    size_t k = 0;
    for (const auto& [number, class_counts] : counts) {
      const auto place = static_cast<size_t>(order[k++]);
      place_of_[number] = place;
      Group& group = groups_[place];
      group.class_counts.assign(class_counts.begin(), class_counts.end());
      for (const auto& [unused, count] : class_counts) group.size += count;
    }
  }

  std::vector<Group>& groups() { return groups_; }

  // How much further from `aims` the numbers `have` get when `group` joins them (sign 1) or leaves
  // them (-1).
  double Cost(const Group& group, int sign, const std::vector<double>& have,
              const std::vector<double>& aims) const {
    double cost = 0;
    for (const auto& [c, count] : group.class_counts) {
      const double before = have[c] - aims[c], after = before + sign * static_cast<double>(count);
      cost += (after * after - before * before) / class_sizes_[c];
    }
    return cost;
  }

  // Moves the samples of the groups that are taken out of `pool`.
  std::vector<int64_t> Take(ClassPool& pool, absl::Span<const int32_t> groups) const {
    std::vector<int64_t> drawn;
    for (std::vector<int64_t>& members : pool) {
      const auto taken = [&](int64_t sample) {
        return groups_[place_of_.at(groups[static_cast<size_t>(sample)])].taken;
      };
      std::copy_if(members.begin(), members.end(), std::back_inserter(drawn), taken);
      members.erase(std::remove_if(members.begin(), members.end(), taken), members.end());
    }
    std::sort(drawn.begin(), drawn.end());
    return drawn;
  }

 private:
  std::vector<double> class_sizes_;
  std::vector<Group> groups_;
  std::map<int32_t, size_t> place_of_;
};

void Add(const Group& group, int sign, std::vector<double>& have) {
  for (const auto& [c, count] : group.class_counts) have[c] += sign * static_cast<double>(count);
}

}  // namespace

std::vector<int64_t> DrawGroups(ClassPool& pool, const std::vector<int64_t>& counts, uint64_t seed,
                                absl::Span<const int32_t> groups) {
  PoolGroups all(pool, groups, seed);
  const std::vector<double> aims(counts.begin(), counts.end());
  std::vector<double> have(pool.size());
  constexpr int kMostPasses = 16;
  constexpr double kLeastGain = 1e-9;  // Rounding must not make it go in circles.
  bool changed = true;
  for (int pass = 0; pass < kMostPasses && changed; ++pass) {
    changed = false;
    for (Group& group : all.groups()) {
      const int sign = group.taken ? -1 : 1;
      if (all.Cost(group, sign, have, aims) > -kLeastGain) continue;
      group.taken = !group.taken;
      Add(group, sign, have);
      changed = true;
    }
  }
  return all.Take(pool, groups);
}

std::vector<int64_t> DrawGroupFold(ClassPool& pool, int folds, int fold, uint64_t seed,
                                   absl::Span<const int32_t> groups) {
  PoolGroups all(pool, groups, seed);
  std::vector<double> aims;
  for (const std::vector<int64_t>& members : pool) {
    aims.push_back(static_cast<double>(members.size()) / folds);
  }
  std::vector<Group*> by_size;
  for (Group& group : all.groups()) by_size.push_back(&group);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [](const Group* a, const Group* b) { return a->size > b->size; });
  std::vector<std::vector<double>> have(folds, std::vector<double>(pool.size()));
  for (Group* group : by_size) {
    int best = 0;
    double best_cost = all.Cost(*group, 1, have[0], aims);
    for (int f = 1; f < folds; ++f) {
      const double cost = all.Cost(*group, 1, have[f], aims);
      if (cost < best_cost) best = f, best_cost = cost;
    }
    Add(*group, 1, have[best]);
    group->taken = best == fold;
  }
  return all.Take(pool, groups);
}

}  // namespace skytrain::data
