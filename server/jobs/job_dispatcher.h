#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "server/jobs/attempt_supervisor.h"
#include "server/jobs/job_journal.h"
#include "server/scheduling/scheduler.h"

namespace skytrain {

// Holds the live (not finished) jobs, gives them devices in the order that server/scheduling
// decides, and keeps a supervisor for each that runs. Thread-safe.
class JobDispatcher {
 public:
  JobDispatcher(const AttemptEnvironment& environment, EventHub& hub);
  ~JobDispatcher();  // As Shutdown.

  // Takes a stored job that is not over: a queued one waits for devices, an active one is taken up
  // where an earlier daemon left it.
  void Add(JobRecord record) ABSL_LOCKS_EXCLUDED(mu_);
  // Begins to give out devices. After all jobs of an earlier daemon were added, since they hold
  // theirs already.
  void Start();
  // Null when the job is not live.
  std::shared_ptr<JobJournal> Find(const std::string& uid) ABSL_LOCKS_EXCLUDED(mu_);
  // The job's state was changed from outside of its run.
  void Wake(const std::string& uid) ABSL_LOCKS_EXCLUDED(mu_);

  int QueuedCount() ABSL_LOCKS_EXCLUDED(mu_);
  // From 1; 0: not queued.
  int QueuePosition(const std::string& uid) ABSL_LOCKS_EXCLUDED(mu_);
  // Device and uid of the job that holds it ("": free).
  std::vector<std::pair<std::string, std::string>> Holders() ABSL_LOCKS_EXCLUDED(mu_);

  // Leaves all attempts as they are and stops the threads.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<JobJournal> journal;
    ScheduleInput::Waiting demand;
    std::vector<std::string> devices;  // While there is a supervisor.
    std::unique_ptr<AttemptSupervisor> supervisor;
    bool attempt_ended = false;
  };

  void Loop();
  // Drops what has ended. Joins threads, so it must not hold the lock meanwhile.
  void Reap() ABSL_LOCKS_EXCLUDED(mu_);
  void StartAttempts() ABSL_LOCKS_EXCLUDED(mu_);
  bool StartAttempt(const Assignment& assignment) ABSL_LOCKS_EXCLUDED(mu_);
  ScheduleInput Snapshot() ABSL_LOCKS_EXCLUDED(mu_);
  std::unique_ptr<AttemptSupervisor> Supervise(AttemptSupervisor::Begin begin,
                                               std::shared_ptr<JobJournal> journal);

  const AttemptEnvironment environment_;
  EventHub& hub_;

  Mutex mu_;
  CondVar changed_;
  bool dirty_ ABSL_GUARDED_BY(mu_) = true;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);  // By uid: oldest first.
  std::thread thread_;
};

}  // namespace skytrain
