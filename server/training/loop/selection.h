#pragma once

#include <string>

#include "server/spec/plan.h"
#include "server/training/checkpoint/checkpoint.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// Which epoch is published, and when enough is trained: train.select and train.early_stop.

// The metric "val/NAME" of a validation; NaN where the report does not have it.
double SelectedValue(const std::string& metric, const v1::EvaluationReport& report);

// Whether `report` is better than `best`, by the plan's metric. Small validation splits tie often:
// then the lower loss decides. A metric that this split cannot tell is NaN, and worse than any
// other.
bool IsBetter(const spec::TrainingPlan& plan, const BestSoFar& best,
              const v1::EvaluationReport& report);

// Takes the validation of `epoch` for early stopping.
void UpdateGain(const spec::TrainingPlan& plan, const v1::EvaluationReport& report, int epoch,
                TrainingState& state);
bool OutOfPatience(const spec::TrainingPlan& plan, const TrainingState& state);

}  // namespace skytrain::training
