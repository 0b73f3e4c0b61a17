#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "server/accounts/account.h"
#include "server/devices/gpu_guard.h"
#include "server/events/event_hub.h"
#include "server/jobs/launcher.h"
#include "server/jobs/retry_policy.h"
#include "server/jobs/state_outbox.h"
#include "server/store/database.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/job_service.pb.h"
#include "skytrain/v1/model.pb.h"
#include "skytrain/v1/node_service.pb.h"

namespace skytrain {

// Who calls: from authentication, never from the request.
struct Caller {
  std::string owner;
  bool admin = false;
};

// A device, who holds it, and why it may not be had though nobody does.
struct DeviceUse {
  std::string device;       // "gpu:0"
  std::string job;          // "jobs/{job}"; empty: it is free.
  std::string unavailable;  // Empty: it may be had.
};

// A published model as an evaluation needs it, or a job that starts from it.
struct ModelLocation {
  v1::Model model;
  std::string dir;  // Absolute path of the folder with model.safetensors and model.json.
};

// What handlers may ask of jobs. Accepts, schedules, folds, ends. Thread-safe; every call may block
// on the disk, so handlers run it on an executor. Errors are those of job_service.proto. A job of
// somebody else is JOB_NOT_FOUND, or NOT_OWNER for changes where everybody may see it, unless the
// caller is an admin.
class JobManager {
 public:
  struct Options {
    std::string attempts_dir;        // work_dir/attempts; made when absent.
    std::string lost_and_found_dir;  // state_dir/lost+found: jobs that cannot be read.
    std::string worker_binary;
    std::string build;            // Goes into attempt.binpb.
    std::string cache_dir;        // Decode-once cache; with account_of: a folder each.
    int64_t max_cache_bytes = 0;  // What the cache may take, and so any set in it; 0: no bound.
    std::vector<std::string> data_roots;   // Resolved.
    std::vector<std::string> gpu_devices;  // "gpu:0", …
    int cpu_slots = 1;                     // Devices "cpu:0" … of one core each.
    bool jobs_visible_to_all = false;      // Everybody may read, not change, all jobs.
    int max_queued_jobs = 1000;            // Of all owners; more is QUEUE_FULL.
    int max_queued_jobs_per_owner = 0;     // More is OWNER_QUEUE_FULL; 0: no limit.
    int max_running_jobs_per_owner = 0;    // More wait; 0: no limit.
    int max_priority = 0;                  // Above it: PRIORITY_NOT_ALLOWED, save for admins.
    GpuGuard* gpu_guard = nullptr;         // Null: every free GPU may be handed out.
    int64_t log_quota_bytes = int64_t{64} << 20;  // Per attempt, rank and stream.
    int64_t memory_limit_bytes = 0;               // Of an attempt's ranks together; 0: none.

    RetryRules retry_rules;
    absl::Duration claim_timeout = absl::Seconds(30);   // From Launch to the shepherd's claim.
    absl::Duration settle_timeout = absl::Seconds(60);  // From the exit record to its last byte.
    // From the end of the grace until a job whose processes do not die says so.
    absl::Duration undead_after = absl::Seconds(20);
    absl::Duration poll_interval = absl::Milliseconds(250);  // Beside inotify.

    // Mode site: the account that the jobs of an owner run as, looked up at each submit and launch.
    // Its errors refuse the job. Empty: everything runs as the daemon does.
    std::function<absl::StatusOr<Account>(const std::string& owner)> account_of;
    // Where `data.dataset` of `owner` is a registered name, puts what that stands for in its place.
    // The data set; nullopt: `data` names none. May be empty: there are no names.
    std::function<absl::StatusOr<std::optional<v1::Dataset>>(const std::string& owner,
                                                             v1::Data& data)>
        resolve_dataset;
    // What the probe finds in a data set (cached). Its DATA_* and OUTSIDE_DATA_ROOTS errors are
    // passed to the client as they are. Without a task the samples are only predicted: no class and
    // no target is looked for.
    std::function<absl::StatusOr<v1::DatasetManifest>(
        const v1::Data& data, const std::optional<v1::Task>& task, const std::string& owner)>
        manifest;
    // Puts paths in place of names that stand for files of `owner` ("blobs/{sha256}"), and adds
    // those to `roots`, which are data_roots at first. May be empty.
    std::function<absl::Status(const std::string& owner, v1::Data& data,
                               std::vector<std::string>& roots)>
        locate_data;
    // Publishes the model folder of a finished attempt as the next version. Must answer the same
    // version when it is asked again for the same job: the daemon may die before the answer is
    // stored. An error ends the job as FAILED.
    std::function<absl::StatusOr<v1::Model>(const v1::Job& job, int attempt,
                                            const std::string& attempt_dir)>
        publish_model;
    // Finds "models/M/versions/N" for a job of `owner`. MODEL_NOT_FOUND.
    std::function<absl::StatusOr<ModelLocation>(const std::string& owner, const std::string& name)>
        find_model;
    // Whether a model of this name was imported, so that no job may have the name. May be empty.
    std::function<absl::StatusOr<bool>(const std::string& id)> is_imported_model;
    // What its card says that it was trained by. MODEL_CORRUPT.
    std::function<absl::StatusOr<v1::Experiment>(const v1::Model& model)> experiment_of_model;
    StateOutbox outbox;  // May be empty: nobody is told of state changes.
    // One line for the daemon's log. May be empty. Any thread.
    std::function<void(absl::string_view line)> log;
  };

  // Everything given must outlive the manager.
  JobManager(Options options, Database& database, EventHub& hub, Launcher& launcher, FileSystem& fs,
             Clock& clock);
  ~JobManager();  // As Shutdown.

  // Recovery: reads the stored jobs, takes living attempts up again, settles dead ones and starts
  // scheduling. One job that cannot be read moves to lost+found. Call once; the methods below
  // may be called when it has returned OK.
  absl::Status Start();

  absl::StatusOr<v1::CreateJobResponse> Create(const Caller& caller,
                                               const v1::CreateJobRequest& request);
  // `job_id` everywhere: without "jobs/".
  absl::StatusOr<v1::Job> Get(const Caller& caller, const std::string& job_id);
  absl::StatusOr<v1::ListJobsResponse> List(const Caller& caller,
                                            const v1::ListJobsRequest& request);
  absl::StatusOr<v1::Job> Cancel(const Caller& caller, const std::string& job_id);
  absl::StatusOr<v1::Job> Suspend(const Caller& caller, const std::string& job_id);
  absl::StatusOr<v1::Job> Resume(const Caller& caller, const std::string& job_id);
  absl::Status Delete(const Caller& caller, const std::string& job_id);

  // A job that is not over and needs the model "models/M/versions/N", to evaluate it or to start
  // from it: "jobs/J", the oldest; empty: none does.
  absl::StatusOr<std::string> UserOf(const std::string& model);

  // The waiting jobs in the order of service, the first 10,000 at most. Those that the caller may
  // not see have neither name nor owner.
  absl::StatusOr<v1::GetQueueResponse> Queue(const Caller& caller);
  // Every device of the node.
  std::vector<DeviceUse> Devices();

  // How many jobs wait, how many have an attempt under way, and how much of what those wrote is not
  // stored yet. May be called at any time.
  struct Counts {
    int queued = 0;
    int running = 0;
    int64_t spool_backlog_bytes = 0;
  };
  Counts Count();

  // Stops scheduling and following; running attempts go on without the daemon and are taken up by
  // the next one. Later calls of the methods above answer UNAVAILABLE (DRAINING). Idempotent.
  void Shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace skytrain
