#pragma once

#include <cstdint>

#include "server/spec/plan.h"

namespace skytrain::training {

// Learning rate of optimizer step `step` (from 0) of `total_steps`. `lr` is the peak.
//   constant   lr
//   cosine     lr * (step + 1) / W in the first W = warmup_epochs * steps_per_epoch steps, then
//              min_lr + (lr - min_lr) / 2 * (1 + cos(pi * (step - W) / (total_steps - W)))
//   one_cycle  lr/25 up to lr in the first 30 % of the steps, then down to lr/250,000, both halves
//              of a cosine (Smith & Topin 2018, arXiv:1708.07120; torch's OneCycleLR)
double LearningRate(const spec::SchedulePlan& schedule, double lr, int64_t step,
                    int64_t total_steps, int64_t steps_per_epoch);

}  // namespace skytrain::training
