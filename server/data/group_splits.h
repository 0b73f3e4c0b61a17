#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace skytrain::data {

// Samples of a pool by class, ascending; what DrawFrom and its like take from.
using ClassPool = std::vector<std::vector<int64_t>>;

// As fractions and folds without groups, for samples that must stay together: `groups`[i] is the
// group of sample i. Groups are looked at in an order that `seed` tells. Returned are the samples
// taken, ascending; they are gone from `pool`.

// Takes a group, or puts one back, whenever that brings the numbers taken of each class nearer to
// `counts`, measured by the squared difference over the class's size.
std::vector<int64_t> DrawGroups(ClassPool& pool, const std::vector<int64_t>& counts, uint64_t seed,
                                absl::Span<const int32_t> groups);

// Fold `fold` of `folds`: groups, the largest first, go to the fold that they bring nearest to an
// even share of each class, measured alike.
std::vector<int64_t> DrawGroupFold(ClassPool& pool, int folds, int fold, uint64_t seed,
                                   absl::Span<const int32_t> groups);

}  // namespace skytrain::data
