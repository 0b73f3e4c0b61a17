#pragma once

#include <optional>
#include <vector>

#include "server/spec/plan.h"

namespace skytrain::training {

// The learning-rate range test (Smith 2017, arXiv:1506.01186): the rate grows from step to step by
// one factor, and the loss tells where it falls fastest and where it breaks out. Arithmetic alone.
class LrRangeTest {
 public:
  explicit LrRangeTest(const spec::FindLrPlan& plan) : plan_(plan) {}

  // Of step `step` (from 0): min * (max / min)^(step / (steps - 1)).
  double Rate(int step) const;

  // The loss of the next step, before its update. False when there is nothing to learn from another
  // step: it was the last, the loss is not finite, or its moving average has got to four times the
  // smallest value that it had.
  bool Add(double loss);

  int steps() const { return static_cast<int>(losses_.size()); }  // With a finite loss.
  // The exponential moving average of the newest loss, over about a tenth of the steps.
  double smoothed() const { return smoothed_.back(); }

  // Where the loss falls fastest against the logarithm of the rate: the steepest straight line
  // through a twentieth of the steps on each side of one, up to the smallest average. Empty: it
  // falls nowhere.
  std::optional<double> Suggestion() const;

 private:
  spec::FindLrPlan plan_;
  std::vector<double> losses_, smoothed_;
  double sum_ = 0.0, weight_ = 0.0;  // Of the moving average.
};

}  // namespace skytrain::training
