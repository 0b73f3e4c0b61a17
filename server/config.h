#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain {

// Everything that can be set. Comments give the key of the YAML file; `skytraind --help` lists the
// flags, which go before the file.
struct Config {
  std::string listen;     // listen: ["unix:PATH"]. One for now.
  std::string state_dir;  // state_dir: the database, on a local disk.
  std::string work_dir;   // work_dir: attempts, models, cache. Default: below state_dir.
  std::vector<std::string> data_roots;  // data_roots. Empty: whatever the daemon's user may read.
  std::string launcher = "local";       // launcher.
  std::string mode = "personal";        // mode.
  int cpus = -1;                        // cpus: CPU slots. -1: as many as there are.
  int gpus = -1;                        // gpus. -1: as many as there are.
  bool jobs_visible_to_all = false;     // jobs_visible_to: owner or all.
  int64_t max_queued_jobs = 1000;       // limits.queued_jobs
  int64_t max_spec_bytes = 1 << 20;     // limits.spec_bytes: of one CreateJob request.
  int64_t log_quota_bytes = 64 << 20;   // limits.log_bytes: per attempt, rank and stream.
  bool log_json = false;                // log_json
  std::string worker_binary;            // worker. Default: skytrain-worker beside the daemon.
  std::string shepherd_binary;          // shepherd
  std::string probe_binary;             // probe

  // The socket's path of `listen`.
  std::string SocketPath() const;
};

// What the defaults depend on.
struct Surroundings {
  std::string xdg_runtime_dir;
  std::string home;
  bool root = false;
  std::string binary_dir;  // Where the daemon's own executable lies.

  static Surroundings OfThisProcess();
};

// What a command line asks for.
struct Invocation {
  bool exit_now = false;  // --help, --version, or a mistake that has been printed.
  int exit_code = 0;
  Config config;
};

// Reads the command line and the file that it names. Prints help, version and mistakes itself:
// every mistake of a file at once, each with file:line:column and, for an unknown key, the nearest
// one. exit_code 2: usage or configuration.
Invocation ParseCommandLine(int argc, char** argv, const Surroundings& surroundings);

// The parts, for tests.

// Sets what `text`, the YAML file `source`, says. INVALID_ARGUMENT (BAD_CONFIG), a line for each
// mistake.
absl::Status ApplyConfigText(absl::string_view text, const std::string& source, Config* config);
// Fills in the defaults and checks what cannot be served. INVALID_ARGUMENT (BAD_CONFIG),
// UNIMPLEMENTED (NOT_AVAILABLE) for things of the design that this version does not have.
absl::Status CompleteConfig(const Surroundings& surroundings, Config* config);

}  // namespace skytrain
