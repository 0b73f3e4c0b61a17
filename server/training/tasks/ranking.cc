#include "server/training/tasks/ranking.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace skytrain::training {

Ranking RankingOf(absl::Span<const float> scores, absl::Span<const bool> positive) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  const auto positives = static_cast<double>(std::count(positive.begin(), positive.end(), true));
  const double negatives = static_cast<double>(scores.size()) - positives;
  if (positives == 0 || negatives == 0) {
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  }
  double hits = 0, false_hits = 0, area = 0, precision = 0;
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    double more_hits = 0, more_false = 0;
    // Equal scores share a threshold.
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end) {
      (positive[order[end]] ? more_hits : more_false) += 1;
    }
    area += more_false * (hits + more_hits / 2);
    hits += more_hits;
    false_hits += more_false;
    precision += more_hits / positives * hits / (hits + false_hits);
  }
  return {area / (positives * negatives), precision};
}

}  // namespace skytrain::training
