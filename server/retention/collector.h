#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/mutex.h"
#include "server/blobs/upload_store.h"
#include "server/jobs/job_manager.h"
#include "server/retention/policy.h"
#include "server/store/database.h"
#include "skytrain/v1/node_service.pb.h"

namespace skytrain {

// Removes what the policy no longer keeps, and what nobody can use: attempt folders whose job is
// gone, and bytes that a process wrote after the end of its attempt. Only finished jobs are looked
// at, so nothing that a queued, suspended or running job needs is touched, nor is an upload that
// one, or a registered data set, has as data; an entry of the cache that a process has open is left alone. Each removal is one
// step for whoever looks (a rename into the trash, a transaction, an unlink), and works on a full
// disk. Thread-safe; one collection at a time.
class Collector {
 public:
  struct Options {
    RetentionPolicy policy;
    std::string attempts_dir;
    std::string cache_dir;
    std::string inputs_dir;  // Of users' names for uploads (mode: site); empty: there are none.
    // The registered data sets: their uploads are in use. May be empty: there are none.
    std::function<absl::StatusOr<std::vector<v1::Data>>()> registered_data;
    // One line for the daemon's log. May be empty. Any thread.
    std::function<void(absl::string_view line)> log;
    absl::Duration interval = absl::Hours(1);
  };

  // Everything given must outlive this.
  Collector(Options options, Database& database, JobManager& jobs, UploadStore& uploads,
            FileSystem& fs, Clock& clock);
  ~Collector();  // As Stop.

  // Collects after each interval from now on, on a thread of its own.
  void Start();
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // What was removed, or with `dry_run` would be. What cannot be removed is logged and left out.
  absl::StatusOr<v1::CollectGarbageResponse> Collect(bool dry_run) ABSL_LOCKS_EXCLUDED(collect_mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  Database& database_;
  JobManager& jobs_;
  UploadStore& uploads_;
  FileSystem& fs_;
  Clock& clock_;
  Mutex collect_mu_;  // One collection at a time.
  Mutex mu_;
  CondVar stopped_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace skytrain
