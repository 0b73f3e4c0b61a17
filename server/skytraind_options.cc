#include "server/skytraind_options.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attempt/attempt_dir.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "server/accounts/account.h"
#include "server/accounts/owner_links.h"
#include "server/accounts/site_folders.h"
#include "server/auth/certificate.h"
#include "server/auth/grpc/credentials.h"
#include "server/blobs/data_names.h"
#include "server/log.h"
#include "server/shepherd/cgroup.h"

namespace skytrain {
namespace {

std::vector<std::string> NamesOf(const std::vector<v1::Device>& devices) {
  std::vector<std::string> names;
  for (const v1::Device& device : devices) names.push_back(device.name());
  return names;
}

v1::ServerInfo::StateDisk DescribeDisk(const StateDir& state, Database& database) {
  const StateDir::Space space = state.DiskSpace();
  v1::ServerInfo::StateDisk disk;
  disk.set_total_bytes(space.total_bytes);
  disk.set_free_bytes(space.free_bytes);
  disk.set_full(database.IsFull());
  return disk;
}

// Where jobs run as their owners, they read what root keeps for them under a name of their own.
NameForOwner NamesForOwners(const Config& config) {
  if (config.mode != Mode::kSite) return nullptr;
  return [inputs = SiteFoldersIn(config.work_dir).inputs](
             const std::string& owner, const std::string& path,
             const std::string& sha256) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const Account account, FindAccount(owner));
    return LinkForOwner(path, account, inputs, sha256);
  };
}

}  // namespace

NodeServiceImpl::Node DescribeNode(const Config& config, const std::vector<v1::Device>& cpus,
                                   const std::vector<v1::Device>& gpus, const StateDir& state,
                                   Database& database) {
  NodeServiceImpl::Node node;
  node.info.set_version(SKYTRAIN_VERSION);
  node.info.set_build(SKYTRAIN_BUILD);
  node.info.set_api_minor(3);
  char host[256] = {};
  gethostname(host, sizeof(host) - 1);
  node.info.set_hostname(host);
  node.info.mutable_start_time()->set_seconds(absl::ToUnixSeconds(Clock::Real().Now()));
  for (const std::string& root : config.data_roots) node.info.add_data_roots(root);
  for (const char* capability : {"suspend", "queue", "filter", "upload", "metrics", "metric_stride",
                                 "gc", "datasets", "import"}) {
    node.info.add_capabilities(capability);
  }
  node.info.set_mode(std::string(ModeName(config.mode)));
  if (!config.TlsAddresses().empty()) {
    node.certificate_expiry = [file = config.tls_certificate] { return CertificateExpiry(file); };
  }
  node.disk = [&state, &database] { return DescribeDisk(state, database); };
  node.devices = gpus;
  node.devices.insert(node.devices.end(), cpus.begin(), cpus.end());
  return node;
}

JobManager::Options ManagerOptions(const Config& config, const std::vector<v1::Device>& cpus,
                                   const std::vector<v1::Device>& gpus, GpuGuard* guard,
                                   DatasetRegistry& datasets, ModelStore& models,
                                   UploadStore& uploads) {
  JobManager::Options options;
  options.attempts_dir = config.work_dir + "/attempts";
  options.lost_and_found_dir = config.state_dir + "/lost+found";
  options.worker_binary = config.worker_binary;
  options.build = SKYTRAIN_BUILD;
  options.cache_dir = config.work_dir + "/cache";
  options.max_cache_bytes = config.retention.cache_bytes;
  options.data_roots = config.data_roots;
  options.gpu_devices = NamesOf(gpus);
  options.gpu_guard = guard;
  options.cpu_slots = static_cast<int>(cpus.size());
  options.jobs_visible_to_all = config.jobs_visible_to_all;
  options.max_queued_jobs = config.max_queued_jobs;
  options.max_queued_jobs_per_owner = config.max_queued_jobs_per_owner;
  options.max_running_jobs_per_owner = config.max_running_jobs_per_owner;
  options.max_priority = config.max_priority;
  options.memory_limit_bytes = config.memory_limit_bytes;
  options.log_quota_bytes = config.log_quota_bytes;
  options.resolve_dataset = [&datasets](const std::string& owner, v1::Data& data) {
    return datasets.Resolve(owner, data);
  };
  options.manifest = [&datasets](const v1::Data& data, const std::optional<v1::Task>& task,
                                 const std::string& owner) {
    return datasets.Inspect(data, task.value_or(v1::Task()), owner,
                            /*unlabelled=*/!task.has_value());
  };
  if (config.mode == Mode::kSite) options.account_of = FindAccount;
  options.locate_data = [&uploads, name = NamesForOwners(config)](const std::string& owner,
                                                                  v1::Data& data,
                                                                  std::vector<std::string>& roots) {
    return LocateBlobs(uploads, name, owner, data, roots);
  };
  options.publish_model = [&models](const v1::Job& job, int, const std::string& attempt_dir) {
    return models.Publish(job, attempt_dir);
  };
  options.find_model = [&models](const std::string& owner,
                                 const std::string& name) -> absl::StatusOr<ModelLocation> {
    ASSIGN_OR_RETURN(v1::Model model, models.Get(name, {owner, /*admin=*/false}));
    std::string dir = models.DirOf(model);
    return ModelLocation{std::move(model), std::move(dir)};
  };
  options.is_imported_model = [&models](const std::string& id) { return models.IsImported(id); };
  options.experiment_of_model = [&models](const v1::Model& model) {
    return models.ExperimentOf(model);
  };
  options.log = [](absl::string_view line) { LogInfo("jobs", {{"message", std::string(line)}}); };
  return options;
}

UploadStore::Options UploadOptions(const Config& config) {
  UploadStore::Options options;
  options.dir = config.work_dir + "/blobs";
  options.max_bytes = config.upload_bytes;
  options.max_owner_bytes = config.upload_bytes_per_owner;
  return options;
}

Collector::Options CollectorOptions(const Config& config, DatasetRegistry& datasets) {
  Collector::Options options;
  options.registered_data = [&datasets] { return datasets.Sources(); };
  options.policy = config.retention;
  options.attempts_dir = config.work_dir + "/attempts";
  options.cache_dir = config.work_dir + "/cache";
  if (config.mode == Mode::kSite) options.inputs_dir = SiteFoldersIn(config.work_dir).inputs;
  options.log = [](absl::string_view line) {
    LogInfo("retention", {{"message", std::string(line)}});
  };
  return options;
}

Inspector::Options InspectorOptions(const Config& config, UploadStore& uploads, FileSystem& fs) {
  Inspector::Options options;
  options.probe_binary = config.probe_binary;
  options.scratch_dir = config.work_dir + "/probe";
  options.data_roots = config.data_roots;
  options.fs = &fs;
  if (config.mode == Mode::kSite) options.account_of = FindAccount;
  options.locate = [&uploads, name = NamesForOwners(config)](
                       const std::string& owner, v1::Data& data, std::vector<std::string>& roots) {
    return LocateBlobs(uploads, name, owner, data, roots);
  };
  return options;
}

BlobStore::FindJobFiles FilesOfJobs(const Config& config, JobManager& jobs, FileSystem& fs) {
  return [attempts = config.work_dir + "/attempts", &jobs, &fs](
             const std::string& id,
             const BlobStore::Reader& reader) -> absl::StatusOr<BlobStore::JobFiles> {
    ASSIGN_OR_RETURN(const v1::Job job, jobs.Get({reader.owner, reader.admin}, id));
    BlobStore::JobFiles found;
    // Only then is the last attempt the one that wrote them.
    if (job.state() != v1::SUCCEEDED || job.attempts().empty()) return found;
    found.files = {job.files().begin(), job.files().end()};
    const int last = job.attempts().rbegin()->number();
    found.dir = AttemptDir(fs, absl::StrCat(attempts, "/", job.uid(), "-", last)).OutputPath();
    found.fs = &fs;
    return found;
  };
}

ModelImporter::Options ImporterOptions(const Config& config, UploadStore& uploads, FileSystem& fs) {
  ModelImporter::Options options;
  options.worker_binary = config.worker_binary;
  options.scratch_dir = config.work_dir + "/probe";
  options.fs = &fs;
  if (config.mode == Mode::kSite) options.account_of = FindAccount;
  options.locate_blob = [&uploads, name = NamesForOwners(config)](
                            const std::string& owner,
                            const std::string& sha256) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const std::string path, uploads.PathForJob(sha256, owner));
    if (!name) return path;
    return name(owner, path, sha256);
  };
  return options;
}

LocalLauncher::Options LauncherOptions(const Config& config) {
  LocalLauncher::Options options;
  options.memory_limit_bytes = config.memory_limit_bytes;
  if (config.mode == Mode::kSite) options.on_left = RemoveLeftCgroups;
  return options;
}

absl::StatusOr<RpcServer::TlsPorts> CheckedTlsPorts(const Config& config) {
  RpcServer::TlsPorts ports;
  ports.addresses = config.TlsAddresses();
  if (ports.addresses.empty()) return ports;
  const TlsFiles files{config.tls_certificate, config.tls_key, config.tls_client_ca};
  RETURN_IF_ERROR(CheckTlsFiles(files, Clock::Real().Now()));
  ports.credentials = TlsServerCredentials(files);
  return ports;
}

}  // namespace skytrain
