#include "server/config/config_key.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/duration.h"

namespace skytrain {
namespace {

using Values = ConfigKey::Values;
using Setter = ConfigKey::Setter;

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

}  // namespace

const std::vector<ConfigKey>& ConfigKeys() {
  static const std::vector<ConfigKey> keys{
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
       "personal: you alone; shared: several owners, all runs as you; site: several owners, each "
       "job and look at data runs as its owner (needs root)",
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
      {"limits.memory_bytes", "--max-memory-bytes", "Memory of one attempt (default: no limit)",
       false, Number(&Config::memory_limit_bytes, 0, int64_t{1} << 50)},
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
      {"retention.uploads", "--keep-uploads",
       "Remove files that clients sent and no job used for so long (default: never)", false,
       KeepFor(&RetentionPolicy::uploads)},
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

}  // namespace skytrain
