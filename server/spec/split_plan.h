#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// A split that the data set brings along, by how many samples of each class it has. A set without
// splits is one of an empty name.
struct OwnSplit {
  std::string name;
  std::vector<int64_t> class_counts;
};

// Which samples train, select and test: pure arithmetic on counts, shared by the check before a job
// is queued and by the data set that the run opens, so that both see the same numbers.
struct SplitPlan {
  // The own splits (indices) whose samples form the pool that fractions are drawn from.
  std::vector<int> pool;
  // An own split, taken whole; -1: not by name.
  int validation = -1, test = -1;
  // How many of each class are drawn from the pool: test first, then validation out of the rest,
  // then, where only a fraction of the pool shall train, train. Empty: none drawn (train: all that
  // is left).
  std::vector<int64_t> test_drawn, validation_drawn, train_drawn;
  uint64_t test_seed = 0, validation_seed = 0, train_seed = 0;
  // Instead of test_drawn: member i of the pool, by class and, within a class, in the order of
  // test_seed, is tested when i % test_folds is test_fold. 0: no folds.
  int test_folds = 0, test_fold = 0;

  // Samples of each class.
  std::vector<int64_t> train_counts, validation_counts, test_counts;
};

// The name of the own split that a set gets from a table in `splits`: "data.splits.test.table".
std::string TableSplit(absl::string_view part);
// The tables in `splits`, with those names; none for those that are not set.
std::vector<std::pair<std::string, std::string>> SplitTables(const v1::Splits& splits);

// What is wrong with `splits` whatever the data set, under "data.splits.*".
void CheckSplits(const v1::Splits& splits, Violations& violations);

// Applies `splits` and its defaults (see the proto). Mistakes go to `violations` under
// "data.splits.*"; the plan is then of no use.
SplitPlan PlanSplits(const v1::Splits& splits, absl::Span<const OwnSplit> own,
                     Violations& violations);

// `fraction` of each class, rounded so that the total is the nearest to `fraction` of all (largest
// remainders first, then the lower class), at least 1 in total.
std::vector<int64_t> StratifiedCounts(absl::Span<const int64_t> class_counts, double fraction);

}  // namespace skytrain::spec
