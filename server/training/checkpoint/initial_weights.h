#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/spec/plan.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// What the new network is for. Its head is that of another where task, classes and targets are.
struct InitialUse {
  std::string task;  // As in v1.Task.
  std::vector<std::string> classes, targets;
  std::vector<std::string> columns;  // Of a table, else empty.
};

// Copies the weights and statistics of `from` into `model`, all but the last layer's where that is
// new, freezes stages, and sets the learning rates of the others. Before Model::Prepare.
// INVALID_ARGUMENT (INVALID_EXPERIMENT), naming the tensor, class or column that differs.
absl::Status StartFrom(const spec::InitPlan& init, const LoadedModel& from, const InitialUse& use,
                       Model& model);

}  // namespace skytrain::training
