#include "server/skytraind_check_config.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "server/config/bad_config.h"
#include "server/skytraind_options.h"

namespace skytrain {

int RunCheckConfigCommand(int argc, char** argv, const Surroundings& surroundings) {
  if (argc != 2 || argv[1][0] == '-') {
    std::cerr << "usage: skytraind check-config FILE" << std::endl;
    return 2;
  }
  Config config;
  Mistakes mistakes;
  const absl::Status applied = ApplyConfigFile(argv[1], &config);
  if (!applied.ok() && ReasonOf(applied) != "BAD_CONFIG") {
    std::cerr << "skytraind: " << applied.message() << std::endl;
    return 2;  // It cannot be read: nothing else can be said of it.
  }
  mistakes.Add(applied);
  mistakes.Add(CompleteConfig(surroundings, &config));
  if (!config.tls_certificate.empty() && !config.tls_key.empty()) {
    mistakes.Add(CheckedTlsPorts(config).status());
  }
  for (const std::string& binary :
       {config.worker_binary, config.shepherd_binary, config.probe_binary}) {
    if (access(binary.c_str(), X_OK) == 0) continue;
    mistakes.Add(BadConfig(absl::StrCat(binary, " cannot be executed: ", strerror(errno))));
  }
  for (const Hook& hook : config.hooks) {
    if (const absl::Status works = CheckHook(hook); !works.ok()) {
      mistakes.Add(BadConfig(absl::StrCat("hook '", hook.name, "': ", works.message())));
    }
  }
  if (const absl::Status wrong = mistakes.ToStatus(); !wrong.ok()) {
    for (const absl::string_view line : absl::StrSplit(wrong.message(), '\n')) {
      std::cerr << "skytraind: " << line << std::endl;
    }
    return 2;
  }
  std::cout << "mode       " << ModeName(config.mode) << "\nlisten     "
            << absl::StrJoin(config.listen, " ") << "\nstate_dir  " << config.state_dir
            << "\nwork_dir   " << config.work_dir << "\ndata_roots "
            << (config.data_roots.empty() ? "anywhere" : absl::StrJoin(config.data_roots, " "))
            << std::endl;
  for (const Hook& hook : config.hooks) {
    std::cout << "hook       " << hook.name << ": "
              << (hook.exec.empty() ? hook.url : absl::StrJoin(hook.exec, " ")) << std::endl;
  }
  return 0;
}

}  // namespace skytrain
