#pragma once

#include <string>
#include <vector>

#include "client/command_adder.h"
#include "client/commands/commands.h"

namespace skytrain::client {

// What is typed after `skytrain models`.
struct ModelCommands {
  std::string show;
  AliasOptions alias;
  ImportOptions import;
  std::vector<std::string> names;

  // What CLI11 cannot say with its own checks.
  bool NeedsAlias(const CLI::App& app) const {
    return app.got_subcommand("models") && app.get_subcommand("models")->got_subcommand("alias") &&
           !alias.remove && alias.alias.empty();
  }
};

// `models`, which lists them, and the commands `models list|show|import|alias|delete`.
void AddModels(CLI::App& app, Context& context, Chosen& chosen, ModelCommands& typed);

}  // namespace skytrain::client
