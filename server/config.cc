#include "server/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstring>
#include <functional>
#include <iostream>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/duration.h"
#include "common/errors.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"
#include "common/yaml/yaml_tree.h"

namespace skytrain {
namespace {

using Values = std::vector<std::string>;
// Empty: set. Else what is wrong with the values.
using Setter = std::function<std::string(Config&, const Values&)>;

struct Key {
  const char* path;  // In the file; "limits.queued_jobs".
  const char* flag;
  const char* help;
  bool list;
  Setter set;
};

Setter Text(std::string Config::*field) {
  return [field](Config& config, const Values& values) -> std::string {
    config.*field = values.back();
    return "";
  };
}

std::string SetNumber(const Values& values, int64_t least, int64_t most, auto* number) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(values.back(), &value) || value < least || value > most) {
    return absl::StrCat("must be a whole number from ", least, " to ", most, ", not \"",
                        values.back(), "\"");
  }
  *number = value;
  return "";
}

Setter Number(auto Config::*field, int64_t least, int64_t most) {
  return [=](Config& config, const Values& values) {
    return SetNumber(values, least, most, &(config.*field));
  };
}

Setter KeepNumber(auto RetentionPolicy::*field, int64_t most) {
  return [=](Config& config, const Values& values) {
    return SetNumber(values, 0, most, &(config.retention.*field));
  };
}

Setter KeepFor(absl::Duration RetentionPolicy::*field) {
  return [field](Config& config, const Values& values) -> std::string {
    const auto duration = ParseDuration(values.back());
    if (!duration.ok()) return std::string(duration.status().message());
    config.retention.*field = *duration;
    return "";
  };
}

Setter List(std::vector<std::string> Config::*field) {
  return [field](Config& config, const Values& values) -> std::string {
    config.*field = values;
    return "";
  };
}

std::string SetMode(Config& config, const Values& values) {
  const absl::StatusOr<Mode> mode = ParseMode(values.back());
  if (!mode.ok()) return std::string(mode.status().message());
  config.mode = *mode;
  return "";
}

std::string SetAdmins(Config& config, const Values& values) {
  for (const std::string& owner : values) {
    if (const absl::Status valid = ValidateOwner(owner); !valid.ok()) {
      return std::string(valid.message());
    }
  }
  config.admins = values;
  return "";
}

std::string SetJobsVisibleTo(Config& config, const Values& values) {
  if (values.back() != "owner" && values.back() != "all") return "must be owner or all";
  config.jobs_visible_to_all = values.back() == "all";
  return "";
}

std::string SetLogJson(Config& config, const Values& values) {
  if (values.back() != "true" && values.back() != "false") return "must be true or false";
  config.log_json = values.back() == "true";
  return "";
}

const std::vector<Key>& Keys() {
  static const std::vector<Key> keys{
      {"listen", "--listen", "Address: unix:PATH or tls:HOST:PORT; may be repeated", true,
       List(&Config::listen)},
      {"state_dir", "--state-dir", "Folder of the database, on a local disk", false,
       Text(&Config::state_dir)},
      {"work_dir", "--work-dir", "Folder of attempts, models and cache (default: STATE_DIR/work)",
       false, Text(&Config::work_dir)},
      {"data_roots", "--data-root",
       "Folder that data may be read from; may be repeated (default: whatever you may read)", true,
       List(&Config::data_roots)},
      {"launcher", "--launcher", "How attempts are started: local", false, Text(&Config::launcher)},
      {"mode", "--mode",
       "personal: you alone; shared: several owners, all runs as you; site: several owners, all "
       "runs as its owner (needs root)",
       false, SetMode},
      {"auth.admins", "--admin", "Owner who may do everything; may be repeated", true, SetAdmins},
      {"tls.certificate", "--tls-certificate", "PEM file of the server's certificate chain", false,
       Text(&Config::tls_certificate)},
      {"tls.key", "--tls-key", "PEM file of its key", false, Text(&Config::tls_key)},
      {"tls.client_ca", "--tls-client-ca",
       "PEM file of the CA that signs clients' certificates (default: they have none)", false,
       Text(&Config::tls_client_ca)},
      {"cpus", "--cpus", "CPU slots (default: all)", false, Number(&Config::cpus, 0, 4096)},
      {"gpus", "--gpus", "GPUs (default: all)", false, Number(&Config::gpus, 0, 64)},
      {"jobs_visible_to", "--jobs-visible-to", "Who may see a job: owner or all", false,
       SetJobsVisibleTo},
      {"limits.queued_jobs", "--max-queued-jobs", "Jobs that may wait", false,
       Number(&Config::max_queued_jobs, 1, 1'000'000)},
      {"limits.queued_jobs_per_owner", "--max-queued-jobs-per-owner",
       "Jobs of one owner that may wait; 0: as many as fit", false,
       Number(&Config::max_queued_jobs_per_owner, 0, 1'000'000)},
      {"limits.running_jobs_per_owner", "--max-running-jobs-per-owner",
       "Jobs of one owner that run at once; 0: as many as fit", false,
       Number(&Config::max_running_jobs_per_owner, 0, 1'000'000)},
      {"limits.priority", "--max-priority", "Highest priority for those who are no admins", false,
       Number(&Config::max_priority, -100, 100)},
      {"limits.spec_bytes", "--max-spec-bytes", "Size of one job's request", false,
       Number(&Config::max_spec_bytes, 1024, 4 << 20)},
      {"limits.log_bytes", "--max-log-bytes", "Log kept of each attempt, rank and stream", false,
       Number(&Config::log_quota_bytes, 1024, int64_t{1} << 40)},
      {"limits.memory_bytes", "--max-memory-bytes",
       "Memory of one attempt, where control groups can be had (default: no limit)", false,
       Number(&Config::memory_limit_bytes, 0, int64_t{1} << 50)},
      {"limits.upload_bytes", "--max-upload-bytes", "Size of one file that a client sends", false,
       Number(&Config::upload_bytes, 0, int64_t{1} << 50)},
      {"limits.upload_bytes_per_owner", "--max-upload-bytes-per-owner",
       "What one owner's uploads may hold", false,
       Number(&Config::upload_bytes_per_owner, 0, int64_t{1} << 50)},
      {"retention.jobs", "--keep-jobs", "Remove finished jobs after so long (30d; default: never)",
       false, KeepFor(&RetentionPolicy::jobs)},
      {"retention.logs", "--keep-logs",
       "Remove logs and curves of finished jobs after so long (default: never)", false,
       KeepFor(&RetentionPolicy::logs)},
      {"retention.checkpoints", "--keep-checkpoints",
       "Checkpoints kept of a finished job, besides the best (default: 1)", false,
       KeepNumber(&RetentionPolicy::checkpoints, 1'000'000)},
      {"retention.cache_bytes", "--max-cache-bytes", "Size of the decoded data; 0: no bound", false,
       KeepNumber(&RetentionPolicy::cache_bytes, int64_t{1} << 50)},
      {"metrics_listen", "--metrics-listen",
       "HOST:PORT of http://HOST:PORT/metrics for Prometheus (default: off). Best 127.0.0.1: any "
       "address may be given, but there is no encryption and nobody is asked who they are",
       false, Text(&Config::metrics_listen)},
      {"log_json", "--log-json", "Log as JSON lines: true or false", false, SetLogJson},
      {"worker", "--worker", "The skytrain-worker to run", false, Text(&Config::worker_binary)},
      {"shepherd", "--shepherd", "The skytrain-shepherd to run", false,
       Text(&Config::shepherd_binary)},
      {"probe", "--probe", "The skytrain-probe to run", false, Text(&Config::probe_binary)},
  };
  return keys;
}

absl::Status BadConfig(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_CONFIG", message);
}

absl::Status NotAvailable(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kUnimplemented, "NOT_AVAILABLE",
                         absl::StrCat(what, " is not available in this version"));
}

// Walks the file's tree and sets every key.
class FileReader {
 public:
  FileReader(Config& config, std::vector<yaml::Problem>& problems)
      : config_(config), problems_(problems) {}

  void ReadMap(const yaml::Node& node, const std::string& prefix) {
    if (node.kind == yaml::Node::Kind::kNull) return;
    if (node.kind != yaml::Node::Kind::kMap) {
      problems_.push_back({node.at, "must be a map of keys"});
      return;
    }
    for (const yaml::Node::Entry& entry : node.entries) ReadEntry(entry, prefix);
  }

 private:
  void ReadEntry(const yaml::Node::Entry& entry, const std::string& prefix) {
    const std::string path = absl::StrCat(prefix, entry.key);
    std::vector<std::string> known;
    for (const Key& key : Keys()) {
      if (key.path == path) return ReadValue(key, entry.value);
      absl::string_view rest = key.path;
      if (!absl::ConsumePrefix(&rest, prefix)) continue;
      const std::string name(rest.substr(0, rest.find('.')));
      if (name != rest && name == entry.key) return ReadMap(entry.value, path + ".");
      known.push_back(name);
    }
    const std::string nearest = NearestName(entry.key, known);
    problems_.push_back(
        {entry.key_at,
         absl::StrCat("unknown key '", entry.key, "'",
                      nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"))});
  }

  void ReadValue(const Key& key, const yaml::Node& value) {
    Values values;
    if (value.kind == yaml::Node::Kind::kScalar) {
      values.push_back(value.scalar);
    } else if (value.kind == yaml::Node::Kind::kList && key.list) {
      for (const yaml::Node& item : value.items) {
        if (item.kind != yaml::Node::Kind::kScalar) {
          problems_.push_back({item.at, absl::StrCat(key.path, ": must be text")});
          return;
        }
        values.push_back(item.scalar);
      }
    }
    if (values.empty()) {
      problems_.push_back({value.at, absl::StrCat(key.path, ": must be ",
                                                  key.list ? "a list of text" : "one value")});
      return;
    }
    if (const std::string wrong = key.set(config_, values); !wrong.empty()) {
      problems_.push_back({value.at, absl::StrCat(key.path, ": ", wrong)});
    }
  }

  Config& config_;
  std::vector<yaml::Problem>& problems_;
};

std::string Absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  std::array<char, PATH_MAX> cwd;
  return getcwd(cwd.data(), cwd.size()) == nullptr ? path : absl::StrCat(cwd.data(), "/", path);
}

std::string DefaultSocketFolder(const Surroundings& surroundings, Mode mode) {
  if (mode != Mode::kPersonal) return "/run/skytrain";  // Where everybody looks, and may go.
  if (!surroundings.xdg_runtime_dir.empty()) return surroundings.xdg_runtime_dir + "/skytrain";
  return surroundings.root ? "/run/skytrain" : surroundings.home + "/.skytrain/run";
}

// "HOST:PORT" with an IPv6 address in brackets.
bool IsHostAndPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view host = address.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  int port = -1;
  return absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 && port <= 65535 &&
         !host.empty() && (bracketed || !absl::StrContains(host, ':'));
}

absl::Status CheckListen(const std::string& listen) {
  absl::string_view rest = listen;
  if (absl::StartsWith(rest, "unix:/")) return absl::OkStatus();
  if (absl::ConsumePrefix(&rest, "tls:")) {
    if (IsHostAndPort(rest)) return absl::OkStatus();
    return BadConfig(absl::StrCat(
        "listen: write tls:HOST:PORT, an IPv6 address in brackets, not \"", listen, "\""));
  }
  absl::ConsumePrefix(&rest, "tcp:");
  if (IsHostAndPort(rest)) {
    return BadConfig(absl::StrCat(
        "listen: \"", listen, "\": TCP without encryption is not offered. Write tls:", rest,
        " and set tls.certificate and tls.key, or leave the Unix socket alone: clients of other "
        "machines reach it by --server ssh://USER@NODE"));
  }
  return BadConfig(
      absl::StrCat("listen: write unix:PATH with an absolute path, or tls:HOST:PORT, "
                   "not \"",
                   listen, "\""));
}

absl::Status CompleteListen(const Surroundings& surroundings, Config* config) {
  if (config->listen.empty()) {
    config->listen.push_back(
        absl::StrCat("unix:", DefaultSocketFolder(surroundings, config->mode), "/skytraind.sock"));
  }
  for (const std::string& listen : config->listen) RETURN_IF_ERROR(CheckListen(listen));
  const bool has_files = !config->tls_certificate.empty() && !config->tls_key.empty();
  if (!config->TlsAddresses().empty() && !has_files) {
    return BadConfig("listen: tls:HOST:PORT needs tls.certificate and tls.key");
  }
  for (std::string Config::*file :
       {&Config::tls_certificate, &Config::tls_key, &Config::tls_client_ca}) {
    config->*file = Absolute(config->*file);
  }
  return absl::OkStatus();
}

std::vector<std::string> WithPrefix(const std::vector<std::string>& listen,
                                    absl::string_view prefix) {
  std::vector<std::string> found;
  for (absl::string_view address : listen) {
    if (absl::ConsumePrefix(&address, prefix)) found.emplace_back(address);
  }
  return found;
}

}  // namespace

std::vector<std::string> Config::SocketPaths() const { return WithPrefix(listen, "unix:"); }
std::vector<std::string> Config::TlsAddresses() const { return WithPrefix(listen, "tls:"); }

Surroundings Surroundings::OfThisProcess() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = getenv(name);
    return value == nullptr ? "" : value;
  };
  Surroundings surroundings;
  surroundings.xdg_runtime_dir = variable("XDG_RUNTIME_DIR");
  surroundings.home = variable("HOME");
  surroundings.root = geteuid() == 0;
  std::array<char, PATH_MAX> self;
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
  if (length > 0) {
    const std::string path(self.data(), length);
    surroundings.binary_dir = path.substr(0, path.rfind('/'));
  }
  return surroundings;
}

absl::Status ApplyConfigText(absl::string_view text, const std::string& source, Config* config) {
  std::vector<yaml::Problem> problems;
  const yaml::Node root = yaml::ParseTree(text, source, problems);
  FileReader(*config, problems).ReadMap(root, "");
  if (problems.empty()) return absl::OkStatus();
  std::vector<std::string> lines;
  for (const yaml::Problem& problem : problems) {
    lines.push_back(absl::StrCat(problem.at.ToString(), ": ", problem.text));
  }
  return BadConfig(absl::StrJoin(lines, "\n"));
}

absl::Status ApplyConfigFile(const std::string& path, Config* config) {
  ASSIGN_OR_RETURN(const std::string text, FileSystem::Posix().ReadFile(path, yaml::kMaxBytes + 1));
  return ApplyConfigText(text, path, config);
}

absl::Status CompleteConfig(const Surroundings& surroundings, Config* config) {
  // Everything would run as root, not as its owner.
  if (config->mode == Mode::kSite) return NotAvailable("mode: site");
  if (config->launcher != "local") {
    if (config->launcher == "slurm") return NotAvailable("launcher: slurm");
    return BadConfig(absl::StrCat("launcher: must be local, not \"", config->launcher, "\""));
  }
  RETURN_IF_ERROR(CompleteListen(surroundings, config));
  if (!config->metrics_listen.empty() && !IsHostAndPort(config->metrics_listen)) {
    return BadConfig(absl::StrCat("metrics_listen: write HOST:PORT, such as 127.0.0.1:9464, not \"",
                                  config->metrics_listen, "\""));
  }
  if (config->state_dir.empty()) {
    config->state_dir =
        surroundings.root ? "/var/lib/skytrain" : surroundings.home + "/.skytrain/state";
  }
  config->state_dir = Absolute(config->state_dir);
  config->work_dir =
      config->work_dir.empty() ? config->state_dir + "/work" : Absolute(config->work_dir);
  for (std::string& root : config->data_roots) {
    std::array<char, PATH_MAX> resolved;
    if (realpath(root.c_str(), resolved.data()) == nullptr) {
      return BadConfig(absl::StrCat("data_roots: ", root, ": ", std::strerror(errno)));
    }
    root = resolved.data();
  }
  const std::pair<std::string Config::*, const char*> binaries[] = {
      {&Config::worker_binary, "/skytrain-worker"},
      {&Config::shepherd_binary, "/skytrain-shepherd"},
      {&Config::probe_binary, "/skytrain-probe"}};
  for (const auto& [field, name] : binaries) {
    std::string& path = config->*field;
    path = path.empty() ? surroundings.binary_dir + name : Absolute(path);
  }
  return absl::OkStatus();
}

Invocation ParseCommandLine(int argc, char** argv, const Surroundings& surroundings) {
  Invocation invocation;
  const auto fail = [&](absl::string_view message) {
    std::cerr << "skytraind: " << message << std::endl;
    invocation.exit_now = true;
    invocation.exit_code = 2;
    return invocation;
  };
  CLI::App app(
      "skytraind: accepts, runs and follows training jobs on this node.\n"
      "Also: skytraind check-config FILE; skytraind token create|list|revoke");
  app.set_version_flag("--version", "skytraind " SKYTRAIN_VERSION);
  std::string file;
  app.add_option("--config", file, "YAML file; flags go before it");
  std::vector<Values> given(Keys().size());
  std::vector<CLI::Option*> options;
  for (size_t i = 0; i < Keys().size(); ++i) {
    CLI::Option* option = app.add_option(Keys()[i].flag, given[i], Keys()[i].help);
    option->expected(1)->multi_option_policy(Keys()[i].list ? CLI::MultiOptionPolicy::TakeAll
                                                            : CLI::MultiOptionPolicy::TakeLast);
    options.push_back(option);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to say it.
    invocation.exit_now = true;
    invocation.exit_code = app.exit(error) == 0 ? 0 : 2;
    return invocation;
  }
  if (!file.empty()) {
    if (absl::Status status = ApplyConfigFile(file, &invocation.config); !status.ok()) {
      return fail(status.message());
    }
  }
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i]->count() == 0) continue;
    if (std::string wrong = Keys()[i].set(invocation.config, given[i]); !wrong.empty()) {
      return fail(absl::StrCat(Keys()[i].flag, " ", wrong));
    }
  }
  if (absl::Status status = CompleteConfig(surroundings, &invocation.config); !status.ok()) {
    return fail(status.message());
  }
  return invocation;
}

}  // namespace skytrain
