#include "client/command_adder.h"

#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace skytrain::client {

void AddServerOptions(CLI::App& command, Context& context) {
  command
      .add_option("--server", context.server,
                  "unix:PATH, HOST:PORT (TLS) or ssh://[USER@]NODE; else SKYTRAIN_SERVER, else the "
                  "default socket")
      ->type_name("SERVER");
  command.add_option("--ca", context.tls.ca, "Trust this CA; else SKYTRAIN_CA, else the system's")
      ->type_name("FILE");
  command.add_option("--cert", context.tls.certificate, "Client certificate; else SKYTRAIN_CERT")
      ->type_name("FILE");
  command.add_option("--key", context.tls.key, "Its private key; else SKYTRAIN_KEY")
      ->type_name("FILE");
  command
      .add_option_function<std::string>(
          "--give-up",
          [&context](const std::string& text) {
            absl::Duration duration;
            if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration()) {
              throw CLI::ValidationError("--give-up", "'" + text + "' is no time, as 90s or 30m");
            }
            context.give_up = duration;
          },
          "End when the server is silent for so long; else 10s at first, 10m once a job is "
          "followed")
      ->type_name("TIME");
}

CLI::App* AddCommand(CLI::App& app, Context& context, Chosen& chosen, const std::string& name,
                     const std::string& what, Run run) {
  CLI::App* command = app.add_subcommand(name, what);
  std::vector<std::string> formats = {"table", "json", "jsonl"};
  if (name == "metrics") formats.push_back("csv");
  command->add_option("--output", chosen.format, "table, json or jsonl (metrics: also csv)")
      ->check(CLI::IsMember(formats))
      ->type_name("FORMAT");
  AddServerOptions(*command, context);
  // Of a group that is a command too, CLI11 calls this also when one of its commands was chosen.
  command->callback([&chosen, command, run = std::move(run)] {
    if (command->get_subcommands().empty()) chosen.run = run;
  });
  return command;
}

}  // namespace skytrain::client
