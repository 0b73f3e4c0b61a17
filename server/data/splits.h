#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::data {

// Sample numbers, ascending, disjoint.
struct SplitSets {
  std::vector<int64_t> train, validation, test;
};

// Applies `splits` (or its defaults) to samples with these labels (into `classes`; -1: left out; 0
// where there are no classes, and then the samples are divided as if they were of one)
// and own splits (into `own_names`; -1: none). Which samples a fraction takes depends on its seed,
// the labels and the order of samples alone. INVALID_ARGUMENT (INVALID_EXPERIMENT) for a split that
// is not there, DATA_INVALID for a class that is left without a sample to train on.
// `groups` of the samples, or none: fractions and folds never part the samples of one.
absl::StatusOr<SplitSets> ApplySplits(const v1::Splits& splits,
                                      const std::vector<std::string>& own_names,
                                      absl::Span<const int32_t> own_splits,
                                      absl::Span<const int32_t> labels,
                                      const std::vector<std::string>& classes,
                                      absl::Span<const int32_t> groups = {});

// The samples with a label (not -1) that an evaluation on `split` measures. Empty: the own split
// "test", else "val", else all. DATA_INVALID for a split that is not there.
absl::StatusOr<std::vector<int64_t>> EvaluationSamples(const std::string& split,
                                                       const std::vector<std::string>& own_names,
                                                       absl::Span<const int32_t> own_splits,
                                                       absl::Span<const int32_t> labels);

}  // namespace skytrain::data
