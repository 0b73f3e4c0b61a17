#include "server/training/attempt_run.h"

#include <algorithm>
#include <cstdio>
#include <exception>
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
#include "server/training/attempt_parts.h"
#include "server/training/checkpoint/checkpoint.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/evaluation_run.h"
#include "server/training/gpu/gpu_plugin.h"
#include "server/training/loop/evaluate.h"
#include "server/training/loop/output_files.h"
#include "server/training/loop/predictor.h"
#include "server/training/loop/progress_meter.h"
#include "server/training/loop/trainer.h"
#include "server/training/precision.h"

namespace skytrain::training {
namespace {

using internal::v1::AttemptSpec;
using internal::v1::RankResult;

RunIdentity IdentityOf(const AttemptSpec& spec, const spec::TrainingPlan& plan) {
  return {SKYTRAIN_BUILD, InstructionSet(),      PrecisionName(plan.precision), DeviceOf(spec),
          plan.seed,      at::get_num_threads(), std::max(1, spec.world_size())};
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

// Of every split. Mistakes are those of test, or of validation where there is no test.
absl::StatusOr<std::vector<NamedDigest>> WriteOutput(const AttemptContext& context,
                                                     const spec::TrainingPlan& plan,
                                                     const data::Dataset& dataset, Trainer& trainer,
                                                     const std::string& folder) {
  if (!plan.output.Any()) return std::vector<NamedDigest>();
  const BatchSource& source = trainer.source();
  Predictor predictor({{trainer.model(), trainer.task(), source.normalisation()}},
                      {.features = plan.output.features});
  ASSIGN_OR_RETURN(
      const std::unique_ptr<OutputFiles> files,
      OutputFiles::Create(context.fs, folder, plan.output, dataset, predictor, plan.view.size));
  ProgressMeter meter(context.sink, context.clock, 0, 0);
  const std::string shown = dataset.test().empty() ? "validation" : "test";
  const auto predict = [&](const std::string& split, const std::vector<int64_t>& samples) {
    meter.Begin("predict", 0, 0, static_cast<int64_t>(samples.size()));
    return PredictSamples(
        predictor, source, samples, plan.batch_size, context.control, meter,
        [&](const Predicted& predicted, const Batch& batch, absl::Span<const int64_t> of_batch) {
          return files->Add(split, of_batch, predicted, batch, split == shown);
        });
  };
  const std::pair<const char*, const std::vector<int64_t>&> splits[] = {
      {"train", dataset.train()}, {"validation", dataset.validation()}, {"test", dataset.test()}};
  const bool all = plan.output.predictions != spec::OutputPlan::Format::kNone;
  for (const auto& [split, samples] : splits) {
    if (all || split == shown) RETURN_IF_ERROR(predict(split, samples));
  }
  meter.End();
  return files->Finish();
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
  if (outcome.end == v1::COMPLETED && !plan.find_lr) {
    const auto write_files = [&](const std::string& folder) {
      return WriteOutput(context, plan, *dataset, *trainer, folder);
    };
    RETURN_IF_ERROR(WriteModelFolder(context.fs, context.dir.ModelPath(),
                                     CardOf(context, plan, *dataset, *trainer, outcome),
                                     trainer->model().State(), write_files));
    result.set_model_written(true);
  }
  return result;
}

absl::StatusOr<RankResult> RunWork(const AttemptContext& context) {
  switch (context.spec.work_case()) {
    case AttemptSpec::kExperiment:
      return Train(context);
    case AttemptSpec::kEvaluation:
      return RunEvaluation(context);
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
  if (reason == "CACHE_CORRUPT") return v1::RANK_FAILED;  // Tried again, it is decoded anew.
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
