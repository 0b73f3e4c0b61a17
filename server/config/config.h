#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/auth/identity.h"
#include "server/hooks/hook.h"
#include "server/retention/policy.h"

namespace skytrain {

// Everything that can be set. Comments give the key of the YAML file; `skytraind --help` lists the
// flags, which go before the file.
struct Config {
  std::vector<std::string> listen;  // listen: ["unix:PATH", "tls:HOST:PORT"]. Port 0: any free one.
  std::string state_dir;            // state_dir: the database, on a local disk.
  std::string work_dir;             // work_dir: attempts, models, cache. Default: below state_dir.
  std::vector<std::string> data_roots;  // data_roots. Empty: whatever the daemon's user may read.
  std::string launcher = "local";       // launcher.
  Mode mode = Mode::kPersonal;          // mode: personal, shared or site.
  std::vector<std::string> admins;      // auth.admins: owners, beside root and the daemon's user.
  std::string tls_certificate;          // tls.certificate: PEM, the chain.
  std::string tls_key;                  // tls.key: PEM.
  std::string tls_client_ca;            // tls.client_ca. Empty: clients have no certificates.
  int cpus = -1;                        // cpus: CPU slots. -1: as many as there are.
  int gpus = -1;                        // gpus. -1: as many as there are.
  bool jobs_visible_to_all = false;     // jobs_visible_to: owner or all.
  int64_t max_queued_jobs = 1000;       // limits.queued_jobs
  int max_queued_jobs_per_owner = 0;    // limits.queued_jobs_per_owner. 0: no limit.
  int max_running_jobs_per_owner = 0;   // limits.running_jobs_per_owner. 0: no limit.
  int max_priority = 0;                 // limits.priority: above it only admins.
  int64_t max_spec_bytes = 1 << 20;     // limits.spec_bytes: of one CreateJob request.
  int64_t log_quota_bytes = 64 << 20;   // limits.log_bytes: per attempt, rank and stream.
  int64_t memory_limit_bytes = 0;       // limits.memory_bytes: of one attempt. 0: no limit.
  int64_t upload_bytes = int64_t{1} << 40;            // limits.upload_bytes: of one file.
  int64_t upload_bytes_per_owner = int64_t{1} << 40;  // limits.upload_bytes_per_owner
  RetentionPolicy retention;                          // retention.*
  std::vector<Hook> hooks;      // hooks: see server/hooks/hook_config.h. There is no flag.
  std::string metrics_listen;   // metrics_listen: "HOST:PORT" of /metrics. Empty: off.
  bool log_json = false;        // log_json
  std::string worker_binary;    // worker. Default: skytrain-worker beside the daemon.
  std::string shepherd_binary;  // shepherd
  std::string probe_binary;     // probe

  // The parts of `listen`: paths, and "HOST:PORT" each.
  std::vector<std::string> SocketPaths() const;
  std::vector<std::string> TlsAddresses() const;
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
// every mistake at once, those of a file each with file:line:column and, for an unknown key, the
// nearest one. exit_code 2: usage or configuration.
Invocation ParseCommandLine(int argc, char** argv, const Surroundings& surroundings);

// The parts, for tests.

// Sets what `text`, the YAML file `source`, says. INVALID_ARGUMENT (BAD_CONFIG), a line for each
// mistake.
absl::Status ApplyConfigText(absl::string_view text, const std::string& source, Config* config);
// Reads the file at `path` into `config`. The same errors, and those of reading.
absl::Status ApplyConfigFile(const std::string& path, Config* config);
// Fills in the defaults and checks what cannot be served, a line for each mistake. INVALID_ARGUMENT
// (BAD_CONFIG), UNIMPLEMENTED (NOT_AVAILABLE) for things of the design that this version does not
// have.
absl::Status CompleteConfig(const Surroundings& surroundings, Config* config);

}  // namespace skytrain
