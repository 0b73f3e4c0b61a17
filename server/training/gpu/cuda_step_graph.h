#pragma once

#include <memory>

#include "server/training/gpu/step_graph.h"

namespace skytrain::training {

// A StepGraph on GPU `device`. Warms up and records on a stream of its own, with memory of its own.
// Part of the plug-in.
std::unique_ptr<StepGraph> MakeCudaStepGraph(int device);

}  // namespace skytrain::training
