#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/blobs/blob_store.h"
#include "server/blobs/upload_store.h"
#include "server/config/config.h"
#include "server/datasets/dataset_registry.h"
#include "server/datasets/inspector.h"
#include "server/devices/gpu_guard.h"
#include "server/jobs/job_manager.h"
#include "server/launch/local_launcher.h"
#include "server/models/model_importer.h"
#include "server/models/model_store.h"
#include "server/retention/collector.h"
#include "server/rpc/node_service.h"
#include "server/rpc/server.h"
#include "server/store/database.h"
#include "server/store/state_dir.h"

namespace skytrain {

// What each part of the daemon is told, by the configuration. The parts given by reference must
// outlive the one that the options are for.

NodeServiceImpl::Node DescribeNode(const Config& config, const std::vector<v1::Device>& cpus,
                                   const std::vector<v1::Device>& gpus, const StateDir& state,
                                   Database& database);
// `guard` may be null.
JobManager::Options ManagerOptions(const Config& config, const std::vector<v1::Device>& cpus,
                                   const std::vector<v1::Device>& gpus, GpuGuard* guard,
                                   DatasetRegistry& datasets, ModelStore& models,
                                   UploadStore& uploads);
UploadStore::Options UploadOptions(const Config& config);
Collector::Options CollectorOptions(const Config& config, DatasetRegistry& datasets);
// `fs`: for what lies in work_dir.
ModelImporter::Options ImporterOptions(const Config& config, UploadStore& uploads, FileSystem& fs);
Inspector::Options InspectorOptions(const Config& config, UploadStore& uploads, FileSystem& fs);
// Finds the files of jobs that succeeded. `fs`: for what lies in work_dir.
BlobStore::FindJobFiles FilesOfJobs(const Config& config, JobManager& jobs, FileSystem& fs);
LocalLauncher::Options LauncherOptions(const Config& config);
// No addresses where the configuration has none. The errors are those of CheckTlsFiles.
absl::StatusOr<RpcServer::TlsPorts> CheckedTlsPorts(const Config& config);

}  // namespace skytrain
