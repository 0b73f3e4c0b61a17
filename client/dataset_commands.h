#pragma once

#include <string>
#include <vector>

#include "client/command_adder.h"
#include "client/commands/commands.h"

namespace skytrain::client {

// What is typed after `skytrain datasets`.
struct DatasetCommands {
  AddDatasetOptions add;
  AddDatasetOptions upload;
  DataOptions show;
  PreviewDatasetOptions preview;
  std::vector<std::string> names;
};

// The commands `datasets add|upload|list|show|preview|delete`.
void AddDatasets(CLI::App& app, Context& context, Chosen& chosen, DatasetCommands& typed);

// `--unmatched` and `--corrupt`: skip.
void AddPolicies(CLI::App& command, bool& skip_unmatched, bool& skip_corrupt);

}  // namespace skytrain::client
