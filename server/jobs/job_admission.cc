#include "server/jobs/job_admission.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/jobs/attempt_plan.h"
#include "server/spec/check.h"
#include "server/spec/evaluation_check.h"
#include "server/spec/init_check.h"

namespace skytrain {
namespace {

constexpr size_t kMaxRequestId = 64;
constexpr size_t kMaxStem = 58;  // 63 less "-" and four characters.

absl::Status BadRequest(std::string field, std::string description) {
  return BadRequestError("INVALID_EXPERIMENT", {{std::move(field), std::move(description)}});
}

absl::Status CheckDemand(const JobManager::Options& options, const v1::Job& job,
                         const std::string& prefix) {
  const Demand demand = DemandOf(job, options.cpu_slots);
  const int gpus = static_cast<int>(options.gpu_devices.size());
  if (demand.gpus > gpus) {
    return BadRequest(prefix + "resources.gpus",
                      absl::StrCat("this node has ", gpus, " GPUs, not ", demand.gpus));
  }
  if (demand.cpus > options.cpu_slots) {
    return BadRequest(prefix + "resources.cpus", absl::StrCat("this node has ", options.cpu_slots,
                                                              " CPU slots, not ", demand.cpus));
  }
  return absl::OkStatus();
}

// What of the data is worth a look, "" when all is well.
std::string WhatIsWorthALook(const v1::Experiment& experiment,
                             const v1::DatasetManifest& manifest) {
  std::string warning;
  const auto add = [&warning](const std::string& text) {
    absl::StrAppend(&warning, warning.empty() ? "" : "; ", text);
  };
  for (const auto& problem : manifest.problems()) {
    if (problem.kind() == "archive_warning") {
      add(absl::StrJoin(problem.names(), "; "));
      continue;
    }
    add(absl::StrCat(problem.count(), " ", problem.kind(), " left out"));
  }
  const auto weights = experiment.task().classification().class_weights();
  if (weights == v1::Classification::CLASS_WEIGHTS_BALANCED ||
      weights == v1::Classification::CLASS_WEIGHTS_SQRT_BALANCED) {
    return warning;
  }
  if (const std::string hint = spec::DataWarning(experiment.data(), manifest); !hint.empty())
    add(hint);
  return warning;
}

// The job keeps what a registered name stands for now, so that it does not matter what becomes of
// the name.
absl::StatusOr<std::optional<v1::Dataset>> ResolveName(const JobManager::Options& options,
                                                       const std::string& owner, v1::Data& data,
                                                       v1::Job& job) {
  if (!options.resolve_dataset) return std::optional<v1::Dataset>();
  ASSIGN_OR_RETURN(auto dataset, options.resolve_dataset(owner, data));
  if (dataset.has_value()) job.set_dataset(dataset->name());
  return dataset;
}

absl::StatusOr<AdmittedJob> AdmitExperiment(const JobManager::Options& options,
                                            const v1::Experiment& asked, const std::string& owner) {
  AdmittedJob admitted;
  v1::Experiment& experiment = *admitted.job.mutable_experiment();
  experiment = asked;
  ASSIGN_OR_RETURN(const auto dataset,
                   ResolveName(options, owner, *experiment.mutable_data(), admitted.job));
  if (dataset.has_value() && experiment.task().has_classification() &&
      experiment.task().classification().target().empty()) {
    experiment.mutable_task()->mutable_classification()->set_target(dataset->target());
  }
  v1::Model parent;
  if (!experiment.init().model().empty()) {
    ASSIGN_OR_RETURN(const ModelLocation found,
                     options.find_model(owner, experiment.init().model()));
    parent = found.model;
    ASSIGN_OR_RETURN(const v1::Experiment trained, options.experiment_of_model(parent));
    RETURN_IF_ERROR(spec::CompleteFromModel(parent, trained, experiment));
  }
  ASSIGN_OR_RETURN(const spec::TrainingPlan plan, spec::MakePlan(experiment));
  RETURN_IF_ERROR(CheckDemand(options, admitted.job, ""));
  ASSIGN_OR_RETURN(const v1::DatasetManifest manifest,
                   options.manifest(experiment.data(), experiment.task(), owner));
  ASSIGN_OR_RETURN(admitted.estimate, spec::CheckAgainstData(experiment, plan, manifest));
  RETURN_IF_ERROR(spec::CheckDecodedSize(plan.view, plan.augment, manifest, options.max_cache_bytes,
                                         "data.image.size"));
  if (experiment.has_init()) {
    const auto& classes = admitted.estimate.classes();
    RETURN_IF_ERROR(spec::CheckHead(experiment.init(), parent, {classes.begin(), classes.end()}));
  }
  admitted.job.set_data_warning(WhatIsWorthALook(experiment, manifest));
  admitted.stem = plan.name.empty() ? "experiment" : plan.name;
  return admitted;
}

// Puts the versions that `evaluation` means in the place of its models' names, and checks that they
// go together. The first of them.
absl::StatusOr<v1::Model> FindModels(const JobManager::Options& options, const std::string& owner,
                                     v1::Evaluation& evaluation) {
  ASSIGN_OR_RETURN(const ModelLocation first, options.find_model(owner, evaluation.model()));
  // "models/M" means the version that is the newest now, not when the job runs.
  evaluation.set_model(first.model.name());
  std::vector<spec::TrainedModel> models = {{first.model, {}}};
  for (std::string& name : *evaluation.mutable_ensemble()) {
    ASSIGN_OR_RETURN(ModelLocation found, options.find_model(owner, name));
    name = found.model.name();
    models.push_back({std::move(found.model), {}});
  }
  const bool plain = models.size() == 1 && !evaluation.dihedral() &&
                     evaluation.dropout_samples() == 0 && evaluation.output().mistakes() == 0;
  if (plain) return first.model;
  for (spec::TrainedModel& model : models) {
    ASSIGN_OR_RETURN(model.trained, options.experiment_of_model(model.model));
  }
  RETURN_IF_ERROR(spec::CheckModels(evaluation, models));
  return first.model;
}

absl::StatusOr<AdmittedJob> AdmitEvaluation(const JobManager::Options& options,
                                            const v1::Evaluation& evaluation,
                                            const std::string& owner) {
  RETURN_IF_ERROR(spec::CheckEvaluation(evaluation));
  AdmittedJob admitted;
  *admitted.job.mutable_evaluation() = evaluation;
  v1::Data& data = *admitted.job.mutable_evaluation()->mutable_data();
  RETURN_IF_ERROR(CheckDemand(options, admitted.job, "evaluation."));
  ASSIGN_OR_RETURN(const v1::Model model,
                   FindModels(options, owner, *admitted.job.mutable_evaluation()));
  RETURN_IF_ERROR(ResolveName(options, owner, data, admitted.job).status());
  std::optional<v1::Task> task;
  if (!evaluation.unlabelled()) task = model.task();
  ASSIGN_OR_RETURN(const v1::DatasetManifest manifest, options.manifest(data, task, owner));
  if (options.max_cache_bytes > 0) {
    ASSIGN_OR_RETURN(const v1::Experiment trained, options.experiment_of_model(model));
    const spec::ViewPlan view{.size = trained.data().image().size()};
    RETURN_IF_ERROR(spec::CheckDecodedSize(view, {}, manifest, options.max_cache_bytes, "data"));
  }
  admitted.estimate.set_parameters(model.parameters());
  admitted.estimate.set_test_samples(manifest.count());
  ASSIGN_OR_RETURN(const ModelName name, ParseModelName(model.name()));
  admitted.stem = absl::StrCat(evaluation.unlabelled() ? "predict-" : "evaluate-", name.model);
  return admitted;
}

}  // namespace

std::string PayloadDigest(const v1::CreateJobRequest& request) {
  v1::CreateJobRequest payload = request;
  payload.clear_request_id();
  payload.clear_validate_only();
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // `labels` is a map.
    payload.SerializeToCodedStream(&coded);
  }
  return Sha256Hex(bytes);
}

absl::StatusOr<AdmittedJob> Admit(const JobManager::Options& options,
                                  const v1::CreateJobRequest& request, const std::string& owner) {
  if (request.request_id().size() > kMaxRequestId) {
    return BadRequest("request_id",
                      absl::StrCat("must have at most ", kMaxRequestId, " characters"));
  }
  if (!request.job_id().empty()) RETURN_IF_ERROR(ValidateJobId(request.job_id()));
  std::optional<absl::StatusOr<AdmittedJob>> admitted;
  switch (request.job().spec_case()) {
    case v1::Job::kExperiment:
      admitted = AdmitExperiment(options, request.job().experiment(), owner);
      break;
    case v1::Job::kEvaluation:
      admitted = AdmitEvaluation(options, request.job().evaluation(), owner);
      break;
    case v1::Job::SPEC_NOT_SET:
      return BadRequest("job", "needs an experiment or an evaluation");
  }
  if (admitted->ok()) {
    std::string& stem = (*admitted)->stem;
    stem.resize(std::min(stem.size(), kMaxStem));
    while (!stem.empty() && stem.back() == '-') stem.pop_back();
  }
  return *std::move(admitted);
}

}  // namespace skytrain
