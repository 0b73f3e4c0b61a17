#include "server/jobs/attempt_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr int kDefaultCpus = 2;
constexpr int64_t kDefaultStallSeconds = 30 * 60;
constexpr int64_t kDefaultGraceSeconds = 60;

const v1::Resources& ResourcesOf(const v1::Job& job) {
  return job.has_evaluation() ? job.evaluation().resources() : job.experiment().resources();
}

// CPU threads of a rank that works on GPUs: it prepares batches, and shares the node with others.
int ThreadsBesideGpus(const JobManager::Options& options, int gpus) {
  const int all = std::max<int>(1, options.gpu_devices.size());
  return std::clamp(options.cpu_slots * gpus / all, 1, 16);
}

// Folder and digests of the job's model `number` of NeededModels. Work: EvaluationWork or
// ModelOnDisk.
template <typename Work>
absl::Status LocateModel(const JobManager::Options& options, const v1::Job& job, int number,
                         const Account* account, Work& work) {
  ASSIGN_OR_RETURN(const ModelLocation model,
                   options.find_model(job.owner(), NeededModels(job)[number]));
  const std::string attempt = AttemptPath(options, job.uid(), job.attempts_size());
  work.set_model_dir(account == nullptr ? model.dir : ModelCopyPath(attempt, number));
  for (const v1::ModelFile& file : model.model.files()) {
    (*work.mutable_sha256())[file.name()] = file.sha256();
  }
  return absl::OkStatus();
}

}  // namespace

std::string AttemptPath(const JobManager::Options& options, const std::string& job_uid,
                        int number) {
  return absl::StrCat(options.attempts_dir, "/", job_uid, "-", number);
}

std::string TrashPath(const std::string& attempts_dir) { return attempts_dir + "/.trash"; }

std::string ModelCopyPath(const std::string& attempt_path, int number) {
  return absl::StrCat(attempt_path, "/model-copy", number == 0 ? "" : absl::StrCat("-", number));
}

std::vector<std::string> NeededModels(const v1::Job& job) {
  if (!job.has_evaluation()) {
    const std::string& init = job.experiment().init().model();
    return init.empty() ? std::vector<std::string>() : std::vector<std::string>{init};
  }
  const v1::Evaluation& evaluation = job.evaluation();
  std::vector<std::string> models = {evaluation.model()};
  models.insert(models.end(), evaluation.ensemble().begin(), evaluation.ensemble().end());
  return models;
}

std::optional<Checkpoint> CheckpointOf(const JobManager::Options& options, FileSystem& fs,
                                       const std::string& job_uid, int attempts,
                                       const std::function<bool()>& stop) {
  std::vector<std::string> folders;
  for (int number = 1; number <= attempts; ++number) {
    folders.push_back(AttemptPath(options, job_uid, number) + "/checkpoints");
  }
  return NewestCheckpoint(
      fs, folders,
      [&options](const absl::Status& torn) {
        if (options.log) options.log(torn.message());
      },
      stop);
}

v1::Limits LimitsOf(const v1::Job& job) {
  v1::Limits limits = job.experiment().limits();
  if (!limits.has_stall()) limits.mutable_stall()->set_seconds(kDefaultStallSeconds);
  if (!limits.has_grace()) limits.mutable_grace()->set_seconds(kDefaultGraceSeconds);
  return limits;
}

Demand DemandOf(const v1::Job& job, int cpu_slots) {
  const v1::Resources& resources = ResourcesOf(job);
  if (resources.gpus() > 0) return {resources.gpus(), 0};
  if (resources.cpus() > 0) return {0, resources.cpus()};
  return {0, std::min(kDefaultCpus, cpu_slots)};
}

absl::StatusOr<internal::v1::AttemptSpec> PlanAttempt(const JobManager::Options& options,
                                                      const v1::Job& job,
                                                      const std::optional<Checkpoint>& resume_from,
                                                      const Account* account) {
  internal::v1::AttemptSpec spec;
  spec.set_job_name(job.name());
  spec.set_job_uid(job.uid());
  spec.set_number(job.attempts_size());
  if (job.has_evaluation()) {
    const v1::Evaluation& evaluation = job.evaluation();
    internal::v1::EvaluationWork& work = *spec.mutable_evaluation();
    RETURN_IF_ERROR(LocateModel(options, job, 0, account, work));
    for (int i = 1; i <= evaluation.ensemble_size(); ++i) {
      RETURN_IF_ERROR(LocateModel(options, job, i, account, *work.add_ensemble()));
    }
    *work.mutable_data() = evaluation.data();
    work.set_split(evaluation.split());
    work.set_dihedral(evaluation.dihedral());
    work.set_dropout_samples(evaluation.dropout_samples());
    work.set_unlabelled(evaluation.unlabelled());
    *work.mutable_output() = evaluation.output();
  } else {
    *spec.mutable_experiment() = job.experiment();
    if (job.experiment().has_init()) {
      RETURN_IF_ERROR(LocateModel(options, job, 0, account, *spec.mutable_init()));
    }
  }
  *spec.mutable_limits() = LimitsOf(job);
  std::vector<std::string> roots = options.data_roots;
  if (options.locate_data) {
    v1::Data& data = *(spec.has_evaluation() ? spec.mutable_evaluation()->mutable_data()
                                             : spec.mutable_experiment()->mutable_data());
    RETURN_IF_ERROR(options.locate_data(job.owner(), data, roots));
  }
  spec.mutable_data_roots()->Assign(roots.begin(), roots.end());
  spec.set_build(options.build);
  spec.set_worker_binary(options.worker_binary);
  spec.set_cache_dir(options.cache_dir);
  if (account != nullptr) {
    ASSIGN_OR_RETURN(*spec.mutable_cache_dir(), FolderOf(*account, options.cache_dir));
  }
  if (resume_from.has_value()) spec.set_resume_from(resume_from->path);
  *spec.mutable_devices() = job.attempts().rbegin()->devices();
  const Demand demand = DemandOf(job, options.cpu_slots);
  spec.set_threads(demand.gpus > 0 ? ThreadsBesideGpus(options, demand.gpus) : demand.cpus);
  spec.set_world_size(1);
  spec.set_log_quota_bytes(options.log_quota_bytes);
  spec.set_memory_limit_bytes(options.memory_limit_bytes);
  return spec;
}

}  // namespace skytrain
