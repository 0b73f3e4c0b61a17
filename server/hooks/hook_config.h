#pragma once

#include <vector>

#include "common/yaml/yaml_tree.h"
#include "server/hooks/hook.h"

namespace skytrain {

inline constexpr size_t kMaxHooks = 16;

// Reads `hooks` of the daemon's YAML file, a list of maps:
//
//   hooks:
//     - name: notify
//       on: [SUCCEEDED, FAILED, CANCELLED]     # the default; any states of a job
//       filter: "labels.run=x"                 # as `skytrain list --filter`
//       exec: [/usr/local/bin/on-job, --flag]  # or:
//       url: https://chat.example.org/skytrain
//       secret_file: /etc/skytrain/hook.secret # with url
//       ca: /etc/skytrain/ca.pem               # the system's CAs when it is not there
//       timeout: 10s                           # 1s to 10m
//       max_age: 24h                           # 1s to 30d
//
// Mistakes go to `problems`, and their hooks are left out. Looks at no file: see CheckHook.
std::vector<Hook> ReadHooks(const yaml::Node& node, std::vector<yaml::Problem>& problems);

}  // namespace skytrain
