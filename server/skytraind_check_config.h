#pragma once

#include "server/config/config.h"

namespace skytrain {

// `skytraind check-config FILE`: prints every mistake to stderr, or what would be served to stdout.
// `argv[0]` is "check-config". Returns the exit code: 0, or 2 for a mistake.
int RunCheckConfigCommand(int argc, char** argv, const Surroundings& surroundings);

}  // namespace skytrain
