#pragma once

#include "client/command_adder.h"
#include "client/commands/commands.h"

namespace skytrain::client {

// What is typed after `skytrain evaluate` and `skytrain predict`.
struct PredictionCommands {
  EvaluateOptions evaluate, predict;
};

void AddPredictions(CLI::App& app, Context& context, Chosen& chosen, PredictionCommands& typed);

}  // namespace skytrain::client
