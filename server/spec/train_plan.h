#pragma once

#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// What `train` asks for into `plan`, whose task is planned already; mistakes go to `v`.
void PlanTrain(const v1::Train& train, TrainingPlan& plan, Violations& v);

}  // namespace skytrain::spec
