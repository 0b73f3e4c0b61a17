#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "server/jobs/attempt_supervisor.h"
#include "server/jobs/device_pool.h"
#include "server/jobs/job_journal.h"
#include "server/jobs/pass_pacer.h"
#include "server/jobs/queue_view.h"
#include "server/jobs/usage_keeper.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// Holds the live (not finished) jobs, does what server/scheduling decides about them (gives them
// devices, makes some give way to others), and keeps a supervisor for each that runs. Thread-safe.
//
// One thread of its own does it, in passes (see PassPacer): drop what has ended, take a snapshot,
// decide, publish the queue as it is now, start and preempt.
class JobDispatcher {
 public:
  JobDispatcher(const AttemptEnvironment& environment, EventHub& hub);
  ~JobDispatcher();  // As Shutdown.

  // Takes a stored job that is not over: a queued one waits for devices, an active one is taken up
  // where an earlier daemon left it.
  void Add(JobRecord record) ABSL_LOCKS_EXCLUDED(mu_);
  // Begins to give out devices. After all jobs of an earlier daemon were added, since they hold
  // theirs already. An error is one of the database.
  absl::Status Start();
  // Null when the job is not live.
  std::shared_ptr<JobJournal> Find(const std::string& uid) ABSL_LOCKS_EXCLUDED(mu_);
  // The job's state was changed from outside of its run.
  void Wake(const std::string& uid) ABSL_LOCKS_EXCLUDED(mu_);

  int QueuedCount() ABSL_LOCKS_EXCLUDED(mu_);
  int RunningCount() ABSL_LOCKS_EXCLUDED(mu_);
  // What running attempts have written and is not stored yet.
  int64_t SpoolBacklogBytes() ABSL_LOCKS_EXCLUDED(mu_);
  int QueuedCountOf(const std::string& owner) ABSL_LOCKS_EXCLUDED(mu_);
  // As the last pass left it; a job that came or went since shows at the next.
  std::shared_ptr<const QueueView> Queue() ABSL_LOCKS_EXCLUDED(mu_);
  // `job` is the uid of the job that holds it.
  std::vector<DeviceUse> Devices() ABSL_LOCKS_EXCLUDED(mu_);

  // Leaves all attempts as they are and stops the threads.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<JobJournal> journal;
    std::shared_ptr<const WaitingJob> facts;  // Also while it runs.
    bool queued = false;                      // It is counted in queued_.
    bool preemptible = false;
    absl::Duration grace;
    // While there is a supervisor:
    std::unique_ptr<AttemptSupervisor> supervisor;
    std::vector<std::string> devices;
    absl::Time started;
    absl::Time charged_until;                            // See UsageKeeper.
    absl::Time stopping_since = absl::InfiniteFuture();  // Never asked to stop.
    bool attempt_ended = false;
  };
  // What a pass decided, by name.
  struct Launch {
    std::string uid;
    std::vector<std::string> devices;
  };
  struct GiveWay {
    std::string uid;
    std::string to;
    int to_priority = 0;
  };

  void Loop();
  // Drops what has ended. Joins threads, so it must not hold the lock meanwhile.
  void Reap() ABSL_LOCKS_EXCLUDED(mu_);
  void Pass() ABSL_LOCKS_EXCLUDED(mu_);
  Snapshot TakeSnapshot() ABSL_LOCKS_EXCLUDED(mu_);
  RunningJob Running(absl::Time now, Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Publish(Snapshot snapshot, std::vector<Wait> waits) ABSL_LOCKS_EXCLUDED(mu_);
  // False: could not be stored, try again.
  bool StartAttempt(const Launch& start) ABSL_LOCKS_EXCLUDED(mu_);
  bool Preempt(const GiveWay& give_way) ABSL_LOCKS_EXCLUDED(mu_);
  void Charge(absl::Time now, Entry& entry);
  void StoreUsage();
  void SetQueued(Entry& entry, bool queued) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::unique_ptr<AttemptSupervisor> Supervise(AttemptSupervisor::Begin begin,
                                               std::shared_ptr<JobJournal> journal);

  const AttemptEnvironment environment_;
  EventHub& hub_;
  UsageKeeper usage_;  // Of the thread, while it runs.
  absl::Time usage_stored_ = absl::InfinitePast();

  PassPacer pacer_;
  DevicePool devices_;  // Its reservations are guarded by mu_.

  Mutex mu_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);  // By uid: oldest first.
  int queued_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, int> queued_of_ ABSL_GUARDED_BY(mu_);  // By owner.
  std::shared_ptr<const QueueView> queue_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace skytrain
