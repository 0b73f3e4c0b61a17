#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/commands/context.h"
#include "client/exit_code.h"

namespace skytrain::client {

using Run = std::function<absl::StatusOr<ExitCode>()>;

// The command that was chosen, and how it shall print.
struct Chosen {
  Run run;
  std::string format = "table";
};

// Where the server is and how to get to it.
void AddServerOptions(CLI::App& command, Context& context);

// A command with the options that all have. Everything given must outlive the parse.
CLI::App* AddCommand(CLI::App& app, Context& context, Chosen& chosen, const std::string& name,
                     const std::string& what, Run run);

}  // namespace skytrain::client
