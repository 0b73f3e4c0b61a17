#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/spec/violations.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// What becomes of a data set's classes: pure arithmetic on names, shared by the check before a job
// is queued and by the data set that the run opens.
struct ClassPlan {
  std::vector<std::string> classes;  // After merging and dropping; see SortClasses.
  std::vector<int32_t> number_of;  // Of each of the set's classes: index into `classes`; -1: none.
};

// Applies `classes` to the names `own`. Mistakes go to `violations` under "data.classes.*"; the
// plan is then of no use.
ClassPlan PlanClasses(const v1::Classes& classes, const std::vector<std::string>& own,
                      Violations& violations);

// `manifest` as it is once `plan` was applied to it.
v1::DatasetManifest WithClasses(const ClassPlan& plan, v1::DatasetManifest manifest);

// Sorts distinct class names: by value when all are numbers, else by name.
void SortClasses(std::vector<std::string>& classes);

}  // namespace skytrain::spec
