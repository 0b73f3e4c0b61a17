#pragma once

#include "absl/types/span.h"

namespace skytrain::training {

// How well scores tell positives from negatives.
struct Ranking {
  // Probability that a positive scores higher than a negative, ties counting half: the area under
  // the ROC curve.
  double roc_auc;
  // Sum over the thresholds of precision times the gain in recall: the area under the
  // precision-recall curve, as scikit-learn's average_precision_score.
  double average_precision;
};

// `positive`: one for each of `scores`. NaN where there is no positive or no negative.
Ranking RankingOf(absl::Span<const float> scores, absl::Span<const bool> positive);

}  // namespace skytrain::training
