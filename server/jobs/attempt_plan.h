#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/jobs/checkpoint_finder.h"
#include "server/jobs/job_manager.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// attempts_dir/<job uid>-<number>
std::string AttemptPath(const JobManager::Options& options, const std::string& job_uid, int number);

// Where folders of attempts are taken apart (see common/file/trash.h).
std::string TrashPath(const std::string& attempts_dir);

// The newest whole checkpoint of the first `attempts` attempts of the job; none once `stop` answers
// true.
std::optional<Checkpoint> CheckpointOf(const JobManager::Options& options, FileSystem& fs,
                                       const std::string& job_uid, int attempts,
                                       const std::function<bool()>& stop);

// Devices that a job's spec asks for.
struct Demand {
  int gpus = 0;
  int cpus = 0;
};
// Default: two CPU slots, or all of a node that has fewer.
Demand DemandOf(const v1::Job& job, int cpu_slots);

// Of each attempt of the job, with every default filled in. An evaluation has no time limit.
v1::Limits LimitsOf(const v1::Job& job);

// attempt.binpb of the newest attempt of `job`, complete, with all limits filled in. Errors are
// those of finding the models that it needs, and of Options::locate_data. `account`: whom it runs
// as, null: as the daemon; his cache is made where it is missing, and those models are expected at
// ModelCopyPath.
absl::StatusOr<internal::v1::AttemptSpec> PlanAttempt(const JobManager::Options& options,
                                                      const v1::Job& job,
                                                      const std::optional<Checkpoint>& resume_from,
                                                      const Account* account);

// Where an attempt that runs as another user finds the model that it needs: the store is root's.
// `number`: its place in NeededModels.
std::string ModelCopyPath(const std::string& attempt_path, int number);

// The versions that the job evaluates, or the one that it starts from; empty: it needs none.
std::vector<std::string> NeededModels(const v1::Job& job);

}  // namespace skytrain
