#pragma once

#include "client/commands/context.h"

namespace skytrain::client {

// Parses the command line, runs the command, prints its error if there is one; the exit code.
int RunCommandLine(int argc, char** argv, Context& context);

}  // namespace skytrain::client
