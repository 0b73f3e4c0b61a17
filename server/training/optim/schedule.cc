#include "server/training/optim/schedule.h"

#include <algorithm>
#include <cmath>

namespace skytrain::training {
namespace {

// Half a cosine from `start` (fraction 0) to `end` (fraction 1).
double CosineBetween(double start, double end, double fraction) {
  return end + (start - end) / 2.0 * (1.0 + std::cos(M_PI * std::clamp(fraction, 0.0, 1.0)));
}

double Cosine(const spec::SchedulePlan& schedule, double lr, int64_t step, int64_t total_steps,
              int64_t steps_per_epoch) {
  const int64_t warmup = std::min<int64_t>(
      std::llround(schedule.warmup_epochs * static_cast<double>(steps_per_epoch)), total_steps);
  if (step < warmup) return lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double rest = static_cast<double>(std::max<int64_t>(1, total_steps - warmup));
  return CosineBetween(lr, schedule.min_lr, static_cast<double>(step - warmup) / rest);
}

double OneCycle(double lr, int64_t step, int64_t total_steps) {
  const double start = lr / 25.0;
  const double end = start / 1e4;
  const double up = 0.3 * static_cast<double>(total_steps) - 1.0;
  const double at = static_cast<double>(step);
  if (up > 0.0 && at <= up) return CosineBetween(start, lr, at / up);
  const double down = std::max(1.0, static_cast<double>(total_steps) - 1.0 - std::max(up, 0.0));
  return CosineBetween(lr, end, (at - std::max(up, 0.0)) / down);
}

}  // namespace

double LearningRate(const spec::SchedulePlan& schedule, double lr, int64_t step,
                    int64_t total_steps, int64_t steps_per_epoch) {
  switch (schedule.kind) {
    case spec::SchedulePlan::Kind::kCosine:
      return Cosine(schedule, lr, step, total_steps, steps_per_epoch);
    case spec::SchedulePlan::Kind::kOneCycle:
      return OneCycle(lr, step, total_steps);
    case spec::SchedulePlan::Kind::kConstant:
      break;
  }
  return lr;
}

}  // namespace skytrain::training
