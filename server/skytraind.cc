// The daemon's composition root: the only file that names concrete classes. It builds them,
// connects them, serves until SIGTERM or SIGINT, and takes them down in the reverse order.

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/file/owner_file_system.h"
#include "common/status_macros.h"
#include "server/accounts/site_folders.h"
#include "server/auth/audit_log.h"
#include "server/auth/authenticator.h"
#include "server/auth/grpc/adopt.h"
#include "server/auth/grpc/audit.h"
#include "server/auth/peers.h"
#include "server/auth/token_store.h"
#include "server/auth/unix_listener.h"
#include "server/blobs/blob_store.h"
#include "server/config/config.h"
#include "server/datasets/dataset_registry.h"
#include "server/datasets/inspector.h"
#include "server/devices/devices.h"
#include "server/devices/gpu_guard.h"
#include "server/devices/nvml_monitor.h"
#include "server/events/event_hub.h"
#include "server/events/event_log.h"
#include "server/jobs/job_manager.h"
#include "server/launch/local_launcher.h"
#include "server/log.h"
#include "server/metrics/grpc/meter.h"
#include "server/models/model_importer.h"
#include "server/models/model_store.h"
#include "server/retention/collector.h"
#include "server/rpc/blob_service.h"
#include "server/rpc/calls.h"
#include "server/rpc/dataset_service.h"
#include "server/rpc/job_service.h"
#include "server/rpc/model_service.h"
#include "server/rpc/node_service.h"
#include "server/rpc/server.h"
#include "server/skytraind_check_config.h"
#include "server/skytraind_early_stop.h"
#include "server/skytraind_hooks.h"
#include "server/skytraind_metrics.h"
#include "server/skytraind_options.h"
#include "server/skytraind_service_manager.h"
#include "server/skytraind_token.h"
#include "server/store/database.h"
#include "server/store/state_dir.h"
#include "server/store/work_dir_lease.h"

namespace skytrain {
namespace {

// Exit code when what is stored is damaged: another start finds the same, so the systemd units make
// none.
constexpr int kDamaged = 3;
// How long calls under way get when the daemon stops.
constexpr absl::Duration kDrainGrace = absl::Seconds(5);

// What was detected, cut or filled up to what the configuration says (-1: nothing).
std::vector<v1::Device> Configured(std::vector<v1::Device> devices, const char* kind, int count) {
  while (count >= 0 && devices.size() > static_cast<size_t>(count)) devices.pop_back();
  while (count >= 0 && devices.size() < static_cast<size_t>(count)) {
    v1::Device& added = devices.emplace_back();
    added.set_name(absl::StrCat(kind, ":", devices.size() - 1));
  }
  return devices;
}

// Null where there is no driver to ask.
std::unique_ptr<GpuGuard> GuardOf(DeviceMonitor* monitor) {
  if (monitor == nullptr) return nullptr;
  GpuGuard::Options options;
  options.log = [](absl::string_view line) { LogWarning("gpu", {{"message", std::string(line)}}); };
  return std::make_unique<GpuGuard>(*monitor, Clock::Real(), std::move(options));
}

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const StateDir& state,
                                                       DaemonMetrics& metrics) {
  Database::Options options;
  options.path = state.DatabasePath();
  options.ballast_path = state.BallastPath();
  options.log = [](absl::string_view line) {
    LogWarning("database_mended", {{"message", std::string(line)}});
  };
  options.on_commit = [&metrics](absl::Duration took) { metrics.commits.Add(took); };
  options.on_fatal = [](const absl::Status& status) {
    LogError("database_sync_failed", {{"error", status.ToString()}});
    _exit(1);  // What is on the disk is unknown: nothing may be written any more.
  };
  return Database::Open(std::move(options));
}

using UnixListeners = std::vector<std::unique_ptr<UnixListener>>;

absl::StatusOr<UnixListeners> BindUnix(const Config& config) {
  const bool personal = config.mode == Mode::kPersonal;
  UnixListeners listeners;
  for (const std::string& path : config.SocketPaths()) {
    // The folder itself is the listener's to make, whatever the umask.
    RETURN_IF_ERROR(MakeFolders(ParentOf(ParentOf(path)), personal ? 0700 : 0755));
    ASSIGN_OR_RETURN(listeners.emplace_back(),
                     UnixListener::Bind(path, personal ? UnixListener::Audience::kOwnUser
                                                       : UnixListener::Audience::kEveryone));
  }
  return listeners;
}

absl::StatusOr<std::unique_ptr<AuditLog>> OpenAuditLog(const Config& config) {
  AuditLog::Options options;
  options.path = config.state_dir + "/audit.jsonl";
  options.on_error = [](const absl::Status& status) {
    LogError("audit_failed", {{"error", std::string(status.message())}});
  };
  return AuditLog::Open(std::move(options), Clock::Real());
}

// As the client's --server takes them, but for "tls:".
std::string AddressesOf(const Config& config, const RpcServer& server) {
  std::vector<std::string> addresses;
  for (const std::string& path : config.SocketPaths()) addresses.push_back("unix:" + path);
  for (const std::string& tls : server.tls_addresses()) addresses.push_back("tls:" + tls);
  return absl::StrJoin(addresses, " ");
}

void AnnounceServing(const Config& config, const std::string& addresses,
                     const std::vector<v1::Device>& cpus, const std::vector<v1::Device>& gpus) {
  if (config.mode == Mode::kShared) {
    LogWarning("shared_mode",
               {{"message",
                 "every owner's jobs run as the daemon's user, so owners can reach each "
                 "other's files: for people who trust each other"}});
  }
  LogInfo("serving",
          {{"version", SKYTRAIN_VERSION},
           {"build", SKYTRAIN_BUILD},
           {"address", addresses},
           {"mode", std::string(ModeName(config.mode))},
           {"state_dir", config.state_dir},
           {"work_dir", config.work_dir},
           {"cpus", absl::StrCat(cpus.size())},
           {"gpus", absl::StrCat(gpus.size())},
           {"data_roots",
            config.data_roots.empty() ? "anywhere" : absl::StrJoin(config.data_roots, ":")}});
  std::cout << "skytraind " SKYTRAIN_VERSION " serving on " << addresses << std::endl;
}

// Until every call has its answer, the grace is over, or a second signal says that it is urgent.
void WaitForCalls(RpcServer& server, const sigset_t& stop_signals) {
  const absl::Duration deadline = Clock::Real().Monotonic() + kDrainGrace;
  constexpr timespec kTick{0, 20'000'000};
  while (server.Busy() && Clock::Real().Monotonic() < deadline) {
    if (sigtimedwait(&stop_signals, nullptr, &kTick) < 0) continue;
    LogInfo("draining_cut_short");
    return;
  }
}

// `stop_signals` are blocked in every thread.
absl::Status Serve(const Config& config, const sigset_t& stop_signals) {
  // The locks first: a second daemon must notice before it touches anything.
  ASSIGN_OR_RETURN(const UnixListeners listeners, BindUnix(config));
  auto early_stop = std::make_unique<EarlyStop>(stop_signals, [&](int signal) {
    LogInfo("stopped_before_serving", {{"signal", strsignal(signal)}});
    NotifyStopping();
    // They are ours: we hold their locks to the end.
    for (const auto& listener : listeners) unlink(listener->path().c_str());
  });
  ASSIGN_OR_RETURN(const RpcServer::TlsPorts tls_ports, CheckedTlsPorts(config));
  ASSIGN_OR_RETURN(const auto state, StateDir::Open(config.state_dir));
  const bool site = config.mode == Mode::kSite;
  if (site) RETURN_IF_ERROR(PrepareSiteFolders(config.state_dir, config.work_dir));
  DaemonMetrics metrics;
  ASSIGN_OR_RETURN(const auto database, OpenDatabase(*state, metrics));
  RETURN_IF_ERROR(MakeFolders(config.work_dir, 0700));
  ASSIGN_OR_RETURN(const auto lease, WorkDirLease::Take(config.work_dir));

  // Root reaches what users can change only as they could.
  const SiteFolders folders = SiteFoldersIn(config.work_dir);
  OwnerFileSystem as_owners(FileSystem::Posix(),
                            {folders.attempts, folders.trash, folders.cache, folders.probe});
  FileSystem& fs = site ? static_cast<FileSystem&>(as_owners) : FileSystem::Posix();
  const auto cpus = Configured(DetectCpus(), "cpu", config.cpus);
  const auto nvml = NvmlMonitor::Open();
  const auto gpus = Configured(DetectGpus(nvml.get()), "gpu", config.gpus);
  const auto guard = GuardOf(nvml.get());
  ModelStore models(config.work_dir + "/models", *database, fs, Clock::Real(),
                    config.jobs_visible_to_all);
  ASSIGN_OR_RETURN(const auto uploads,
                   UploadStore::Open(UploadOptions(config), *database, fs, Clock::Real()));
  Inspector inspector(InspectorOptions(config, *uploads, fs));
  DatasetRegistry datasets({.visible_to_all = config.jobs_visible_to_all}, *database, inspector,
                           Clock::Real());
  EventHub hub;
  EventLog log(*database, &hub.recent());
  LocalLauncher launcher(config.shepherd_binary, LauncherOptions(config));
  NodeServiceImpl::Node node = DescribeNode(config, cpus, gpus, *state, *database);
  ASSIGN_OR_RETURN(const auto audit, OpenAuditLog(config));
  DaemonHooks hooks(config, *database, *audit, metrics.hooks);
  JobManager::Options job_options =
      ManagerOptions(config, cpus, gpus, guard.get(), datasets, models, *uploads);
  job_options.outbox = hooks.outbox();
  JobManager jobs(std::move(job_options), *database, hub, launcher, fs, Clock::Real());
  BlobStore blobs(models, *uploads, FilesOfJobs(config, jobs, fs));

  ASSIGN_OR_RETURN(const auto metrics_endpoint,
                   ServeMetrics(config, metrics, *state, *database, hub, jobs));

  Peers peers;
  TokenStore tokens(config.state_dir + "/auth", fs, Clock::Real());
  const Authenticator authenticator({config.mode, geteuid(), config.admins}, peers, tokens,
                                    Clock::Real());
  Calls calls(authenticator);
  JobServiceImpl job_service(calls, jobs, log, hub, {.spec_bytes = config.max_spec_bytes});
  ModelImporter importer(ImporterOptions(config, *uploads, fs), models);
  ModelServiceImpl model_service(calls, models, importer, jobs);
  BlobServiceImpl blob_service(calls, blobs);
  DatasetServiceImpl dataset_service(calls, datasets);
  Collector collector(CollectorOptions(config, datasets), *database, jobs, *uploads, fs,
                      Clock::Real());
  NodeServiceImpl node_service(calls, jobs, collector, std::move(node));
  RpcServer::Interceptors interceptors;
  interceptors.push_back(AuditCalls(authenticator, *audit));
  if (metrics_endpoint != nullptr) interceptors.push_back(MeterCalls(metrics.calls));
  ASSIGN_OR_RETURN(const auto server,
                   RpcServer::Start(calls,
                                    {{v1::JobService::service_full_name(), &job_service},
                                     {v1::ModelService::service_full_name(), &model_service},
                                     {v1::BlobService::service_full_name(), &blob_service},
                                     {v1::DatasetService::service_full_name(), &dataset_service},
                                     {v1::NodeService::service_full_name(), &node_service}},
                                    tls_ports, std::move(interceptors)));
  for (const auto& listener : listeners) {
    listener->Start([&](int fd, uid_t uid) { AdoptConnection(server->server(), peers, fd, uid); },
                    [&](uid_t uid) {
                      LogWarning("connection_refused", {{"uid", absl::StrCat(uid)}});
                      audit->Write({UserName(uid), "unix", "unix", "connect", "",
                                    "PERMISSION_DENIED", "NOT_SERVED"});
                    });
  }

  // Recovery, with clients already served: they are told that the daemon starts, instead of
  // wondering whether there is one.
  NotifyStatus("starting: takes up the jobs it has");
  const absl::Status recovered = jobs.Start();
  early_stop.reset();
  if (recovered.ok()) {
    hooks.Start();
    server->SetServing();
    AnnounceServing(config, AddressesOf(config, *server), cpus, gpus);
    collector.Start();
    NotifyReady();
    // No pings while the database's writer or the dispatcher hangs. An empty write syncs nothing.
    const Watchdog watchdog([&] {
      (void)database->Write(Database::Priority::kControl,
                            [](Connection&) { return absl::OkStatus(); });
      (void)jobs.Devices();
    });
    int signal = 0;
    while (sigwait(&stop_signals, &signal) != 0) {
    }
    LogInfo("draining", {{"signal", strsignal(signal)}});
    NotifyStopping();
  }
  server->Drain();
  inspector.Shutdown();
  importer.Shutdown();
  WaitForCalls(*server, stop_signals);
  for (const auto& listener : listeners) listener->Stop();
  server->Stop();
  collector.Stop();
  jobs.Shutdown();
  hooks.Shutdown();
  if (recovered.ok()) {
    // Much more often shared than encoded, and hardly ever missed: else streams cost too much.
    const RecentBatches::Counts batches = hub.recent().counts();
    LogInfo("stopped", {{"batches_encoded", absl::StrCat(batches.puts)},
                        {"batches_shared", absl::StrCat(batches.hits)},
                        {"batches_missed", absl::StrCat(batches.misses)}});
  }
  return recovered;
}

// What gRPC has to say, as lines of our log: it would write to stderr in a format of its own.
void LogForGrpc(gpr_log_func_args* args) {
  if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    LogWarning("grpc", {{"message", args->message}});
  } else {
    LogInfo("grpc", {{"message", args->message}});
  }
}

int Main(int argc, char** argv) {
  if (argc > 1 && absl::string_view(argv[1]) == "token") {
    return RunTokenCommand(argc - 1, argv + 1, Surroundings::OfThisProcess());
  }
  if (argc > 1 && absl::string_view(argv[1]) == "hook") {
    return RunHookCommand(argc - 1, argv + 1, Surroundings::OfThisProcess());
  }
  if (argc > 1 && absl::string_view(argv[1]) == "check-config") {
    return RunCheckConfigCommand(argc - 1, argv + 1, Surroundings::OfThisProcess());
  }
  // Before any thread exists, so that all inherit it and only sigwait sees them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const Invocation invocation = ParseCommandLine(argc, argv, Surroundings::OfThisProcess());
  if (invocation.exit_now) return invocation.exit_code;
  // What root makes is root's alone, unless it says otherwise.
  if (invocation.config.mode == Mode::kSite) umask(0077);
  SetUpLog(invocation.config.log_json ? LogFormat::kJson : LogFormat::kText);
  gpr_set_log_function(LogForGrpc);
  // It has a line for each string that is not UTF-8: a broken worker could fill the disk with them.
  google::protobuf::SetLogHandler(nullptr);
  if (const absl::Status status = Serve(invocation.config, stop_signals); !status.ok()) {
    LogError("cannot_serve", {{"error", std::string(status.message())}});
    return absl::IsDataLoss(status) ? kDamaged : 1;
  }
  return 0;
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) { return skytrain::Main(argc, argv); }
