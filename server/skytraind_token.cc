#include "server/skytraind_token.h"

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/clock.h"
#include "common/duration.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"
#include "server/auth/peers.h"
#include "server/auth/token_store.h"

namespace skytrain {
namespace {

struct TokenArguments {
  std::string config_file;
  std::string state_dir;
  std::string owner;
  std::string role = "user";
  std::string expires;
  std::string note;
  std::string id;
};

absl::StatusOr<std::string> StateDirOf(const TokenArguments& arguments,
                                       const Surroundings& surroundings) {
  Config config;
  if (!arguments.config_file.empty()) {
    RETURN_IF_ERROR(ApplyConfigFile(arguments.config_file, &config));
  }
  if (!arguments.state_dir.empty()) config.state_dir = arguments.state_dir;
  RETURN_IF_ERROR(CompleteConfig(surroundings, &config));
  return config.state_dir;
}

// Becomes the user whose daemon it is, so that he can read what is made, and so that root writes
// nothing in a folder of somebody else.
absl::Status BecomeOwnerOf(const std::string& state_dir) {
  struct stat info;
  if (stat(state_dir.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("no state folder ", state_dir,
                            " (start the daemon once, or name it: --state-dir, --config)"));
  }
  if (info.st_uid == geteuid()) return absl::OkStatus();
  if (geteuid() != 0) {
    return absl::PermissionDeniedError(absl::StrCat("the state folder ", state_dir, " belongs to ",
                                                    UserName(info.st_uid), ": run this as ",
                                                    UserName(info.st_uid), " or root"));
  }
  if (setegid(info.st_gid) != 0 || seteuid(info.st_uid) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot become ", UserName(info.st_uid)));
  }
  return absl::OkStatus();
}

absl::Status Create(const TokenArguments& arguments, TokenStore& tokens) {
  absl::Time expiry = absl::InfiniteFuture();
  if (!arguments.expires.empty()) {
    ASSIGN_OR_RETURN(const absl::Duration lifetime, ParseDuration(arguments.expires));
    expiry = Clock::Real().Now() + lifetime;
  }
  ASSIGN_OR_RETURN(
      const std::string token,
      tokens.Create(arguments.owner, arguments.role == "admin", expiry, arguments.note));
  std::cerr << "The token of " << arguments.owner << ", shown this once; on the client: skytrain "
            << "login\n";
  std::cout << token << std::endl;
  return absl::OkStatus();
}

std::string Date(absl::Time time) {
  return time == absl::InfiniteFuture() ? "never"
                                        : absl::FormatTime("%Y-%m-%d", time, absl::LocalTimeZone());
}

absl::Status List(TokenStore& tokens) {
  ASSIGN_OR_RETURN(const std::vector<Token> all, tokens.List());
  constexpr char kRow[] = "%-8s  %-16s  %-5s  %-10s  %-10s  %-8s  %s\n";
  std::cout << absl::StrFormat(kRow, "ID", "OWNER", "ROLE", "CREATED", "EXPIRES", "STATE", "NOTE");
  const absl::Time now = Clock::Real().Now();
  for (const Token& token : all) {
    const char* state = token.revoke_time <= now ? "revoked"
                        : token.expiry <= now    ? "expired"
                                                 : "good";
    std::cout << absl::StrFormat(kRow, token.id, token.owner, token.admin ? "admin" : "user",
                                 Date(token.create_time), Date(token.expiry), state, token.note);
  }
  return absl::OkStatus();
}

absl::Status Revoke(const TokenArguments& arguments, TokenStore& tokens) {
  RETURN_IF_ERROR(tokens.Revoke(arguments.id));
  std::cerr << "Token " << arguments.id << " is revoked: its next call is refused\n";
  return absl::OkStatus();
}

}  // namespace

int RunTokenCommand(int argc, char** argv, const Surroundings& surroundings) {
  CLI::App app("Tokens with which owners reach this daemon over TCP.", "skytraind token");
  TokenArguments arguments;
  app.add_option("--config", arguments.config_file, "The daemon's YAML file");
  app.add_option("--state-dir", arguments.state_dir, "The daemon's state folder");
  app.require_subcommand(1);
  app.fallthrough();
  CLI::App* create = app.add_subcommand("create", "Make a token and print it, this once");
  create->add_option("--owner", arguments.owner, "Whose jobs it submits")->required();
  create->add_option("--role", arguments.role, "user or admin")
      ->check(CLI::IsMember({"user", "admin"}));
  create->add_option("--expires", arguments.expires, "After how long, 90d or 12h (default: never)");
  create->add_option("--note", arguments.note, "What it is for");
  CLI::App* list = app.add_subcommand("list", "List the tokens, without their secrets");
  CLI::App* revoke = app.add_subcommand("revoke", "Make a token useless at once");
  revoke->add_option("id", arguments.id, "The eight characters after sky_")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to say it.
    return app.exit(error) == 0 ? 0 : 2;
  }

  umask(0077);
  absl::StatusOr<std::string> state_dir = StateDirOf(arguments, surroundings);
  absl::Status status = state_dir.status();
  if (status.ok()) status = BecomeOwnerOf(*state_dir);
  if (status.ok()) {
    TokenStore tokens(*state_dir + "/auth", FileSystem::Posix(), Clock::Real());
    if (create->parsed()) status = Create(arguments, tokens);
    if (list->parsed()) status = List(tokens);
    if (revoke->parsed()) status = Revoke(arguments, tokens);
  }
  if (status.ok()) return 0;
  std::cerr << "skytraind token: " << status.message() << std::endl;
  return 1;
}

}  // namespace skytrain
