#include "server/training/optim/lr_range_test.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace skytrain::training {
namespace {

// How far above its minimum the average may rise: to four times a positive loss.
constexpr double kBreakOut = 3.0;

}  // namespace

double LrRangeTest::Rate(int step) const {
  const double part = static_cast<double>(step) / static_cast<double>(plan_.steps - 1);
  return plan_.min * std::pow(plan_.max / plan_.min, part);
}

bool LrRangeTest::Add(double loss) {
  if (!std::isfinite(loss)) return false;
  const double decay = 1.0 - 1.0 / std::max(2.0, plan_.steps / 10.0);
  sum_ = decay * sum_ + (1.0 - decay) * loss;
  weight_ = decay * weight_ + (1.0 - decay);
  losses_.push_back(loss);
  smoothed_.push_back(sum_ / weight_);
  const double least = *std::min_element(smoothed_.begin(), smoothed_.end());
  return steps() < plan_.steps && smoothed() <= least + kBreakOut * std::fabs(least);
}

std::optional<double> LrRangeTest::Suggestion() const {
  const int half = std::max(2, plan_.steps / 20);
  const int least =
      static_cast<int>(std::min_element(smoothed_.begin(), smoothed_.end()) - smoothed_.begin());
  std::optional<int> steepest;
  double slope = 0.0;
  for (int i = half; i <= least && i + half < steps(); ++i) {
    // Least squares over equal distances, but for a constant factor.
    double rise = 0.0;
    for (int k = -half; k <= half; ++k) rise += k * losses_[i + k];
    if (rise < slope) {
      slope = rise;
      steepest = i;
    }
  }
  if (!steepest) return std::nullopt;
  return Rate(*steepest);
}

}  // namespace skytrain::training
