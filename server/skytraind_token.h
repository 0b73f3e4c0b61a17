#pragma once

#include "server/config/config.h"

namespace skytrain {

// `skytraind token create|list|revoke`: the bearer tokens of the daemon whose state folder the
// options name, running or not. Prints for people; the exit code: 0, 1 (it failed), 2 (usage).
int RunTokenCommand(int argc, char** argv, const Surroundings& surroundings);

}  // namespace skytrain
