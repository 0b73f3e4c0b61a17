#include "server/training/evaluation_run.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/data/dataset.h"
#include "server/spec/check.h"
#include "server/spec/output_plan.h"
#include "server/training/attempt_parts.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/checkpoint/tensor_io.h"
#include "server/training/loop/evaluate.h"
#include "server/training/loop/output_files.h"
#include "server/training/loop/predictor.h"
#include "server/training/models/factory.h"

namespace skytrain::training {
namespace {

using internal::v1::EvaluationWork;
using internal::v1::RankResult;

// A model of the evaluation, from its folder to the network.
struct Asked {
  LoadedModel loaded;
  spec::TrainingPlan plan;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
};

absl::Status Unfit(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "INVALID_EXPERIMENT", message);
}

// `work`: EvaluationWork or ModelOnDisk.
template <typename Work>
absl::StatusOr<Asked> Load(const AttemptContext& context, const Work& work) {
  Asked asked;
  ASSIGN_OR_RETURN(asked.loaded,
                   ReadModelFolder(context.fs, work.model_dir(), DigestsOf(work.sha256())));
  ASSIGN_OR_RETURN(asked.plan, spec::MakePlan(asked.loaded.card.experiment));
  return asked;
}

// The daemon has looked at the same, but an attempt can also be written by hand.
absl::Status CheckTogether(const Asked& first, const Asked& other) {
  const ModelCard &a = first.loaded.card, &b = other.loaded.card;
  const auto differ = [&](absl::string_view what) {
    return Unfit(absl::StrCat("the models cannot be averaged: they differ in ", what));
  };
  if (first.plan.task.kind != other.plan.task.kind) return differ("their task");
  if (a.classes != b.classes) return differ("their classes, or in the order of these");
  if (a.targets != b.targets) return differ("their targets");
  if (a.columns != b.columns) return differ("the columns of the table that they take");
  const spec::ViewPlan &view = first.plan.view, &seen = other.plan.view;
  if (view.size != seen.size || view.center_crop != seen.center_crop ||
      a.experiment.data().image().stretch().SerializeAsString() !=
          b.experiment.data().image().stretch().SerializeAsString()) {
    return differ("data.image (size, center_crop or stretch): they do not see the same");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Asked>> LoadAll(const AttemptContext& context,
                                           const EvaluationWork& work) {
  std::vector<Asked> all;
  ASSIGN_OR_RETURN(all.emplace_back(), Load(context, work));
  for (const internal::v1::ModelOnDisk& one : work.ensemble()) {
    ASSIGN_OR_RETURN(all.emplace_back(), Load(context, one));
    RETURN_IF_ERROR(CheckTogether(all.front(), all.back()));
  }
  for (const Asked& asked : all) {
    if (work.dropout_samples() > 0 && asked.plan.model.dropout == 0.0) {
      return Unfit(absl::StrCat("dropout_samples needs models with dropout, and a ",
                                asked.loaded.card.family, " was trained without"));
    }
  }
  if (work.dihedral() && all.front().plan.view.size == 0) {
    return Unfit("dihedral is for images, and the model sees a table");
  }
  return all;
}

absl::StatusOr<std::unique_ptr<data::Dataset>> OpenData(const AttemptContext& context,
                                                        const EvaluationWork& work,
                                                        const Asked& first) {
  const ModelCard& card = first.loaded.card;
  const bool images = first.plan.view.size > 0;
  v1::Data source = work.data();
  if (images) *source.mutable_image() = card.experiment.data().image();
  data::OpenOptions options = DataOptions(context, std::move(source));
  if (!work.unlabelled()) options.targets = first.plan.task.targets;
  options.targets.unlabelled = work.unlabelled();
  options.evaluation = true;
  options.classes = card.classes;
  options.evaluation_split = work.split();
  if (!images) options.features = card.columns;
  ASSIGN_OR_RETURN(std::unique_ptr<data::Dataset> dataset, data::OpenDataset(options));
  if (images != !dataset->pixels().empty()) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "DATA_INVALID",
                           images ? "the model sees images, and the data set is a table"
                                  : "the model takes a table, and the data set holds images");
  }
  if (dataset->test().empty()) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "DATA_INVALID",
                           "there is no sample to ask the model about");
  }
  return dataset;
}

absl::Status Build(const BatchSource& batches, Asked& asked) {
  TaskFacts facts;
  facts.classes = asked.loaded.card.classes;
  facts.target_mean = asked.loaded.card.target_mean;
  facts.target_deviation = asked.loaded.card.target_deviation;
  const c10::Device& device = batches.device();
  ASSIGN_OR_RETURN(asked.task, MakeTask(asked.plan.task, facts, device));
  ASSIGN_OR_RETURN(asked.model, MakeModel(asked.plan.model, asked.task->outputs(), batches.inputs(),
                                          asked.plan.seed));
  asked.model->Prepare(device);
  if (const absl::Status copied = CopyTensors(asked.loaded.state, asked.model->State());
      !copied.ok()) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "MODEL_CORRUPT", copied.message());
  }
  asked.loaded.state.clear();
  return absl::OkStatus();
}

Predictor MakePredictor(const EvaluationWork& work, const std::vector<Asked>& all) {
  std::vector<PredictingModel> models;
  for (const Asked& asked : all) {
    const ModelCard& card = asked.loaded.card;
    models.push_back({*asked.model, *asked.task, card.normalisation, asked.plan.seed,
                      MirroredClasses(asked.plan.augment, card.classes)});
  }
  return Predictor(std::move(models),
                   {work.dihedral(), work.dropout_samples(), work.output().features()});
}

v1::FilesWritten WrittenOf(const std::vector<NamedDigest>& files) {
  v1::FilesWritten written;
  for (const NamedDigest& one : files) {
    v1::JobFile& file = *written.add_files();
    file.set_name(one.name);
    file.set_size_bytes(one.digest.size_bytes);
    file.set_sha256(one.digest.sha256);
  }
  return written;
}

absl::StatusOr<spec::OutputPlan> OutputOf(const EvaluationWork& work, const Asked& first) {
  spec::Violations violations;
  const spec::OutputPlan plan =
      spec::PlanOutput(work.output(), {}, /*images=*/first.plan.view.size > 0, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return plan;
}

// Asks about every sample once: what comes out is measured, written, or both.
absl::Status Run(const AttemptContext& context, const EvaluationWork& work, const Asked& first,
                 const spec::OutputPlan& output, Predictor& predictor, const BatchSource& batches) {
  const data::Dataset& dataset = batches.dataset();
  const std::string split = work.split().empty() ? "all" : work.split();
  if (output.Any()) RETURN_IF_ERROR(context.fs.CreateDir(context.dir.OutputPath()));
  ASSIGN_OR_RETURN(const std::unique_ptr<OutputFiles> files,
                   OutputFiles::Create(context.fs, context.dir.OutputPath(), output, dataset,
                                       predictor, first.plan.view.size));
  const std::unique_ptr<SplitMetrics> metrics =
      work.unlabelled() ? nullptr : predictor.task().Metrics();
  ProgressMeter meter(context.sink, context.clock, 0, 0);
  meter.Begin(work.unlabelled() ? "predict" : "test", 0, 0,
              static_cast<int64_t>(dataset.test().size()));
  const auto sink = [&](const Predicted& predicted, const Batch& batch,
                        absl::Span<const int64_t> samples) {
    if (metrics != nullptr) metrics->Add(predicted.outputs, batch);
    return files->Add(split, samples, predicted, batch, /*show_mistakes=*/!work.unlabelled());
  };
  RETURN_IF_ERROR(PredictSamples(predictor, batches, dataset.test(), first.plan.batch_size,
                                 context.control, meter, sink));
  meter.End();
  ASSIGN_OR_RETURN(const std::vector<NamedDigest> written, files->Finish());
  if (metrics != nullptr) {
    v1::Event event;
    *event.mutable_report() = metrics->Report(split);
    PushReport(context.sink, "test", event.report(), first.loaded.card.step,
               first.loaded.card.epoch);
    RETURN_IF_ERROR(context.sink.Write(event, /*sync=*/true));
  }
  if (written.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(context.fs.SyncDir(context.dir.OutputPath()));
  RETURN_IF_ERROR(context.fs.SyncDir(context.dir.path()));
  v1::Event event;
  *event.mutable_files() = WrittenOf(written);
  return context.sink.Write(event, /*sync=*/true);
}

}  // namespace

absl::StatusOr<RankResult> RunEvaluation(const AttemptContext& context) {
  const EvaluationWork& work = context.spec.evaluation();
  ASSIGN_OR_RETURN(std::vector<Asked> all, LoadAll(context, work));
  const Asked& first = all.front();
  ASSIGN_OR_RETURN(const spec::OutputPlan output, OutputOf(work, first));
  ASSIGN_OR_RETURN(const std::unique_ptr<data::Dataset> dataset, OpenData(context, work, first));
  RETURN_IF_ERROR(WriteSummary(context.sink, *dataset));
  const BatchSource batches(*dataset, first.plan.view.size, first.loaded.card.normalisation,
                            c10::Device(DeviceOf(context.spec)));
  for (Asked& asked : all) RETURN_IF_ERROR(Build(batches, asked));
  Predictor predictor = MakePredictor(work, all);
  RETURN_IF_ERROR(Run(context, work, first, output, predictor, batches));
  RankResult result;
  result.set_end(v1::COMPLETED);
  return result;
}

}  // namespace skytrain::training
