#include "server/skytraind_check_config.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/skytraind_options.h"

namespace skytrain {

int RunCheckConfigCommand(int argc, char** argv, const Surroundings& surroundings) {
  if (argc != 2 || argv[1][0] == '-') {
    std::cerr << "usage: skytraind check-config FILE" << std::endl;
    return 2;
  }
  Config config;
  absl::Status checked = ApplyConfigFile(argv[1], &config);
  std::vector<std::string> mistakes;
  if (checked.ok()) checked = CompleteConfig(surroundings, &config);
  if (!checked.ok()) {
    mistakes.emplace_back(checked.message());
  } else {
    if (const auto ports = CheckedTlsPorts(config); !ports.ok()) {
      mistakes.emplace_back(ports.status().message());
    }
    for (const std::string& binary :
         {config.worker_binary, config.shepherd_binary, config.probe_binary}) {
      if (access(binary.c_str(), X_OK) == 0) continue;
      mistakes.push_back(absl::StrCat(binary, " cannot be executed: ", strerror(errno)));
    }
  }
  for (const std::string& mistake : mistakes) std::cerr << "skytraind: " << mistake << std::endl;
  if (!mistakes.empty()) return 2;
  std::cout << "mode       " << ModeName(config.mode) << "\nlisten     "
            << absl::StrJoin(config.listen, " ") << "\nstate_dir  " << config.state_dir
            << "\nwork_dir   " << config.work_dir << "\ndata_roots "
            << (config.data_roots.empty() ? "anywhere" : absl::StrJoin(config.data_roots, " "))
            << std::endl;
  return 0;
}

}  // namespace skytrain
