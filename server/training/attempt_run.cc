#include "server/training/attempt_run.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "ATen/Version.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/process/process.h"
#include "common/status_macros.h"
#include "server/data/dataset.h"
#include "server/spec/check.h"
#include "server/training/allocator.h"
#include "server/training/checkpoint/checkpoint.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/checkpoint/tensor_io.h"
#include "server/training/gpu/gpu_plugin.h"
#include "server/training/loop/evaluate.h"
#include "server/training/loop/predictions.h"
#include "server/training/loop/trainer.h"
#include "server/training/models/factory.h"
#include "server/training/precision.h"

namespace skytrain::training {
namespace {

using internal::v1::AttemptSpec;
using internal::v1::RankResult;

// "cpu", or "cuda:N" for the first "gpu:N". Where CUDA_VISIBLE_DEVICES is set, CUDA numbers only
// what it lists.
std::string DeviceOf(const AttemptSpec& spec) {
  for (const std::string& device : spec.devices()) {
    if (!absl::StartsWith(device, "gpu:")) continue;
    if (std::getenv("CUDA_VISIBLE_DEVICES") != nullptr) return "cuda:0";
    return absl::StrCat("cuda:", device.substr(4));
  }
  return "cpu";
}

RunIdentity IdentityOf(const AttemptSpec& spec, const spec::TrainingPlan& plan) {
  return {SKYTRAIN_BUILD, InstructionSet(),      PrecisionName(plan.precision), DeviceOf(spec),
          plan.seed,      at::get_num_threads(), std::max(1, spec.world_size())};
}

data::OpenOptions DataOptions(const AttemptContext& context, v1::Data source) {
  data::OpenOptions options;
  options.data = std::move(source);
  options.cache_dir =
      context.spec.cache_dir().empty() ? context.dir.path() + "/cache" : context.spec.cache_dir();
  options.data_roots = {context.spec.data_roots().begin(), context.spec.data_roots().end()};
  options.threads = std::max(1, context.spec.threads());
  options.stop = [&control = context.control] { return control.stop.load(); };
  options.progress = [&sink = context.sink](int64_t done, int64_t total) {
    v1::Progress progress;
    progress.set_phase("decode");
    progress.set_unit("images");
    progress.set_done(done);
    progress.set_total(total);
    sink.Progress(progress);
  };
  return options;
}

absl::Status WriteSummary(EventSink& sink, const data::Dataset& dataset) {
  v1::Event event;
  v1::DataSummary& summary = *event.mutable_data();
  summary.set_train(static_cast<int64_t>(dataset.train().size()));
  summary.set_validation(static_cast<int64_t>(dataset.validation().size()));
  summary.set_test(static_cast<int64_t>(dataset.test().size()));
  std::vector<int64_t> counts(dataset.classes().size());
  if (!counts.empty()) {
    for (const int64_t sample : dataset.train()) ++counts[dataset.labels()[sample]];
  }
  for (size_t k = 0; k < counts.size(); ++k) {
    summary.add_classes(dataset.classes()[k]);
    summary.add_train_class_counts(counts[k]);
  }
  summary.set_noisy_labels(dataset.noisy_labels());
  summary.mutable_targets()->Assign(dataset.target_names().begin(), dataset.target_names().end());
  summary.set_skipped(dataset.skipped());
  for (size_t i = 0; i < dataset.skipped_names().size() && i < 20; ++i) {
    summary.add_skipped_names(dataset.skipped_names()[i]);
  }
  summary.set_digest(dataset.manifest().fingerprint());
  return sink.Write(event, /*sync=*/false);
}

ModelCard CardOf(const AttemptContext& context, const spec::TrainingPlan& plan,
                 const data::Dataset& dataset, Trainer& trainer, const TrainingOutcome& outcome) {
  ModelCard card;
  card.family = plan.model.Name();
  card.classes = dataset.classes();
  card.targets = dataset.target_names();
  card.target_mean = trainer.facts().target_mean;
  card.target_deviation = trainer.facts().target_deviation;
  card.experiment = context.spec.experiment();
  card.normalisation = trainer.normalisation();
  if (dataset.pixels().empty()) {
    card.columns = {dataset.manifest().columns().begin(), dataset.manifest().columns().end()};
  }
  card.parameters = trainer.model().ParameterCount();
  card.step = outcome.step;
  card.epoch = outcome.epoch;
  card.reports = outcome.reports;
  card.job = context.spec.job_name();
  card.build = SKYTRAIN_BUILD;
  card.torch_version = SKYTRAIN_TORCH_VERSION;
  card.instruction_set = InstructionSet();
  card.precision = PrecisionName(plan.precision);
  card.threads = at::get_num_threads();
  card.data_fingerprint = dataset.manifest().fingerprint();
  return card;
}

// `resume_from` names a checkpoint, or a folder of checkpoints of which the newest whole one is
// taken.
absl::StatusOr<std::string> ResolveCheckpoint(FileSystem& fs, const std::string& path) {
  if (path.empty() || fs.Exists(path + "/state.json")) return path;
  const auto unusable = [&](absl::string_view why) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "CHECKPOINT_CORRUPT",
                           absl::StrCat("no whole checkpoint in ", path, why));
  };
  const absl::StatusOr<NewestCheckpoint> newest = FindNewestCheckpoint(fs, path);
  if (!newest.ok()) return unusable(absl::StrCat(": ", newest.status().message()));
  for (const std::string& skipped : newest->skipped) {
    std::fprintf(stderr, "Skipped: %s\n", skipped.c_str());
  }
  if (newest->path.empty()) return unusable("");
  return newest->path;
}

std::map<std::string, std::string> DigestsOf(
    const google::protobuf::Map<std::string, std::string>& sha256) {
  return {sha256.begin(), sha256.end()};
}

absl::StatusOr<RankResult> Train(const AttemptContext& context) {
  ASSIGN_OR_RETURN(spec::TrainingPlan plan, spec::MakePlan(context.spec.experiment()));
  const c10::Device device(DeviceOf(context.spec));
  ASSIGN_OR_RETURN(plan.precision, ResolvePrecision(plan, device));
  std::fprintf(stderr, "Training in %s on %s (%s).\n", PrecisionName(plan.precision),
               DeviceOf(context.spec).c_str(), InstructionSet().c_str());
  at::globalContext().setDeterministicAlgorithms(plan.deterministic, /*warn_only=*/false);
  at::globalContext().setDeterministicCuDNN(plan.deterministic);
  at::globalContext().setBenchmarkCuDNN(!plan.deterministic);
  data::OpenOptions options = DataOptions(context, context.spec.experiment().data());
  options.targets = plan.task.targets;
  ASSIGN_OR_RETURN(const std::unique_ptr<data::Dataset> dataset, data::OpenDataset(options));
  RETURN_IF_ERROR(WriteSummary(context.sink, *dataset));

  // A resumed run takes its weights from the checkpoint, but normalises as its model did.
  std::optional<LoadedModel> init;
  if (plan.init) {
    const internal::v1::ModelOnDisk& model = context.spec.init();
    ASSIGN_OR_RETURN(init,
                     ReadModelFolder(context.fs, model.model_dir(), DigestsOf(model.sha256())));
  }
  CheckpointWriter checkpoints(context.fs, context.dir.CheckpointsPath(), plan.checkpoint_keep);
  ASSIGN_OR_RETURN(const std::unique_ptr<Trainer> trainer,
                   Trainer::Make({plan, *dataset, device, context.sink, context.control,
                                  checkpoints, context.clock, IdentityOf(context.spec, plan),
                                  init.has_value() ? &*init : nullptr}));
  ASSIGN_OR_RETURN(const std::string resume,
                   ResolveCheckpoint(context.fs, context.spec.resume_from()));
  if (!resume.empty()) {
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, LoadCheckpoint(context.fs, resume));
    RETURN_IF_ERROR(trainer->Restore(checkpoint));
  }
  ASSIGN_OR_RETURN(const TrainingOutcome outcome, trainer->Run());
  RankResult result;
  result.set_end(outcome.end);
  result.set_message(outcome.message);
  if (outcome.end == v1::COMPLETED) {
    const auto predict = [&](const std::string& path) {
      return WritePredictions(context.fs, path, trainer->model(), trainer->source(),
                              trainer->task(), plan.batch_size,
                              {{"validation", dataset->validation()}, {"test", dataset->test()}});
    };
    RETURN_IF_ERROR(WriteModelFolder(context.fs, context.dir.ModelPath(),
                                     CardOf(context, plan, *dataset, *trainer, outcome),
                                     trainer->model().State(), predict));
    result.set_model_written(true);
  }
  return result;
}

absl::StatusOr<RankResult> EvaluateModel(const AttemptContext& context) {
  const internal::v1::EvaluationWork& work = context.spec.evaluation();
  ASSIGN_OR_RETURN(const LoadedModel loaded,
                   ReadModelFolder(context.fs, work.model_dir(), DigestsOf(work.sha256())));
  ASSIGN_OR_RETURN(const spec::TrainingPlan plan, spec::MakePlan(loaded.card.experiment));
  v1::Data source = work.data();
  if (plan.view.size > 0) *source.mutable_image() = loaded.card.experiment.data().image();
  data::OpenOptions options = DataOptions(context, std::move(source));
  options.targets = plan.task.targets;
  options.evaluation = true;
  options.classes = loaded.card.classes;
  options.evaluation_split = work.split();
  ASSIGN_OR_RETURN(const std::unique_ptr<data::Dataset> dataset, data::OpenDataset(options));
  RETURN_IF_ERROR(WriteSummary(context.sink, *dataset));

  const c10::Device device(DeviceOf(context.spec));
  const BatchSource batches(*dataset, plan.view.size, loaded.card.normalisation, device);
  TaskFacts facts;
  facts.classes = loaded.card.classes;
  facts.target_mean = loaded.card.target_mean;
  facts.target_deviation = loaded.card.target_deviation;
  ASSIGN_OR_RETURN(const std::unique_ptr<Task> task, MakeTask(plan.task, facts, device));
  ASSIGN_OR_RETURN(const std::unique_ptr<Model> model,
                   MakeModel(plan.model, task->outputs(), batches.inputs(), plan.seed));
  model->Prepare(device);
  if (const absl::Status copied = CopyTensors(loaded.state, model->State()); !copied.ok()) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "MODEL_CORRUPT", copied.message());
  }
  const int64_t count = static_cast<int64_t>(dataset->test().size());
  if (count == 0) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "DATA_INVALID",
                           "there is no sample to measure the model on");
  }
  ProgressMeter meter(context.sink, context.clock, 0, 0);
  meter.Begin("test", 0, 0, count);
  ASSIGN_OR_RETURN(const v1::EvaluationReport report,
                   Evaluate(*model, batches, dataset->test(), plan.batch_size, *task,
                            work.split().empty() ? "all" : work.split(), context.control, meter));
  meter.End();
  PushReport(context.sink, "test", report, loaded.card.step, loaded.card.epoch);
  v1::Event event;
  *event.mutable_report() = report;
  RETURN_IF_ERROR(context.sink.Write(event, /*sync=*/true));
  RankResult result;
  result.set_end(v1::COMPLETED);
  return result;
}

absl::StatusOr<RankResult> RunWork(const AttemptContext& context) {
  switch (context.spec.work_case()) {
    case AttemptSpec::kExperiment:
      return Train(context);
    case AttemptSpec::kEvaluation:
      return EvaluateModel(context);
    case AttemptSpec::WORK_NOT_SET:
      break;
  }
  return absl::InternalError("attempt.binpb says nothing that this build can do");
}

RankResult Failed(int rank, v1::AttemptEnd end, absl::string_view message) {
  RankResult result;
  result.set_rank(rank);
  result.set_end(end);
  result.set_message(std::string(message));
  return result;
}

v1::AttemptEnd EndOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == "CHECKPOINT_CORRUPT") return v1::CHECKPOINT_CORRUPT;
  if (reason == "DATA_NOT_FOUND" || reason == "DATA_UNREADABLE" || reason == "DATA_INVALID" ||
      reason == "OUTSIDE_DATA_ROOTS" || reason == "INVALID_EXPERIMENT" ||
      reason == "MODEL_CORRUPT") {
    return v1::INVALID_DATA;
  }
  if (absl::IsResourceExhausted(status)) return v1::DISK_FULL;
  if (absl::IsCancelled(status)) return v1::STOPPED;
  return v1::INTERNAL;
}

}  // namespace

absl::Status PrepareDevice(const AttemptSpec& spec) {
  if (DeviceOf(spec) != "cpu") return LoadGpuPlugin();
  KeepFreedMemory();
  return absl::OkStatus();
}

internal::v1::RankStarted DescribeRank(const AttemptContext& context) {
  at::set_num_threads(std::max(1, context.spec.threads()));
  internal::v1::RankStarted started;
  started.set_rank(context.rank);
  if (const auto self = Self(); self.ok()) *started.mutable_process() = *self;
  started.set_build(SKYTRAIN_BUILD);
  started.set_device(DeviceOf(context.spec));
  started.set_threads(at::get_num_threads());
  started.set_instruction_set(InstructionSet());
  const std::string& resume = context.spec.resume_from();
  int64_t step = 0;
  if (absl::SimpleAtoi(resume.substr(resume.rfind('-') + 1), &step)) {
    started.set_resumed_from_step(step);
  }
  return started;
}

RankResult ResultOf(int rank, const absl::Status& status) {
  return Failed(rank, EndOf(status), status.message());
}

RankResult RunAttempt(const AttemptContext& context) {
  try {
    absl::StatusOr<RankResult> result = RunWork(context);
    if (!result.ok()) return ResultOf(context.rank, result.status());
    result->set_rank(context.rank);
    return *std::move(result);
  } catch (const c10::OutOfMemoryError& error) {
    return Failed(context.rank, v1::OUT_OF_GPU_MEMORY,
                  absl::StrCat("out of GPU memory; try a smaller train.batch_size or "
                               "data.image.size. ",
                               error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    // How LibTorch's allocator for the CPU says it.
    if (absl::StrContains(error.what(), "can't allocate memory") ||
        absl::StrContains(error.what(), "not enough memory")) {
      return Failed(context.rank, v1::OUT_OF_HOST_MEMORY,
                    absl::StrCat("out of memory; try a smaller train.batch_size. ",
                                 error.what_without_backtrace()));
    }
    return Failed(context.rank, v1::INTERNAL, error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return Failed(context.rank, v1::OUT_OF_HOST_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return Failed(context.rank, v1::INTERNAL, error.what());
  }
}

}  // namespace skytrain::training
