#pragma once

#include <functional>
#include <string>
#include <vector>

#include "server/config/config.h"

namespace skytrain {

// One thing that can be set, by the file and by a flag.
struct ConfigKey {
  using Values = std::vector<std::string>;
  // Empty: set. Else what is wrong with the values, of which there is one at least.
  using Setter = std::function<std::string(Config&, const Values&)>;

  const char* path;  // In the file; "limits.queued_jobs".
  const char* flag;
  const char* help;
  bool list;  // Takes many values.
  Setter set;
};

// All of them, in the order in which help lists them.
const std::vector<ConfigKey>& ConfigKeys();

}  // namespace skytrain
