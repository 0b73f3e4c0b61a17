#pragma once

#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// The optimizer of `model`; mistakes go to `v`.
OptimizerPlan PlanOptimizer(const v1::Optimizer& optimizer, const ModelPlan& model, Violations& v);

// `plan`: with its epochs and its optimizer.
SchedulePlan PlanSchedule(const v1::Schedule& schedule, const TrainingPlan& plan, Violations& v);

}  // namespace skytrain::spec
