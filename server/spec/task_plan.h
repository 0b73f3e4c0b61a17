#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// Checks `task` by itself and fills in its defaults. Mistakes go to `violations` under "task.*".
TaskPlan PlanTask(const v1::Task& task, Violations& violations);

// The columns that `task` needs; those of classification when none is set. INVALID_ARGUMENT
// (INVALID_EXPERIMENT).
absl::StatusOr<TargetColumns> TargetsOf(const v1::Task& task);

// What train.select may name, the default first.
std::vector<std::string> SelectableMetrics(TaskPlan::Kind kind);
bool IsBetterHigher(const std::string& metric);

}  // namespace skytrain::spec
