#include <CLI/CLI.hpp>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/config/bad_config.h"
#include "server/config/config.h"
#include "server/config/config_key.h"

namespace skytrain {

Invocation ParseCommandLine(int argc, char** argv, const Surroundings& surroundings) {
  Invocation invocation;
  CLI::App app(
      "skytraind: accepts, runs and follows training jobs on this node.\n"
      "Also: skytraind check-config FILE; skytraind token create|list|revoke; "
      "skytraind hook test NAME");
  app.set_version_flag("--version", "skytraind " SKYTRAIN_VERSION);
  std::string file;
  app.add_option("--config", file, "YAML file; flags go before it");
  std::vector<ConfigKey::Values> given(ConfigKeys().size());
  std::vector<CLI::Option*> options;
  for (size_t i = 0; i < ConfigKeys().size(); ++i) {
    CLI::Option* option = app.add_option(ConfigKeys()[i].flag, given[i], ConfigKeys()[i].help);
    option->expected(1)->multi_option_policy(
        ConfigKeys()[i].list ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
    options.push_back(option);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to say it.
    invocation.exit_now = true;
    invocation.exit_code = app.exit(error) == 0 ? 0 : 2;
    return invocation;
  }
  Mistakes mistakes;
  if (!file.empty()) mistakes.Add(ApplyConfigFile(file, &invocation.config));
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i]->count() == 0) continue;
    if (std::string wrong = ConfigKeys()[i].set(invocation.config, given[i]); !wrong.empty()) {
      mistakes.Add(BadConfig(absl::StrCat(ConfigKeys()[i].flag, " ", wrong)));
    }
  }
  mistakes.Add(CompleteConfig(surroundings, &invocation.config));
  if (const absl::Status wrong = mistakes.ToStatus(); !wrong.ok()) {
    for (const absl::string_view line : absl::StrSplit(wrong.message(), '\n')) {
      std::cerr << "skytraind: " << line << std::endl;
    }
    invocation.exit_now = true;
    invocation.exit_code = 2;
  }
  return invocation;
}

}  // namespace skytrain
