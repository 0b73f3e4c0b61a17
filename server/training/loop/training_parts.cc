#include "server/training/loop/training_parts.h"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/data/random.h"
#include "server/spec/augment_plan.h"
#include "server/training/checkpoint/initial_weights.h"
#include "server/training/gpu/gpu_plugin.h"
#include "server/training/models/factory.h"

namespace skytrain::training {
namespace {

absl::Status BadData(const std::string& message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "DATA_INVALID", message);
}

absl::Status CheckData(const spec::TrainingPlan& plan, const data::Dataset& dataset) {
  if (static_cast<int64_t>(dataset.train().size()) < plan.batch_size) {
    return BadData(absl::StrCat("the train split has ", dataset.train().size(),
                                " samples, fewer than one batch of ", plan.batch_size));
  }
  spec::Violations violations;
  spec::CheckFlippedClasses(plan.augment, dataset.classes(), violations);
  RETURN_IF_ERROR(violations.ToStatus("DATA_INVALID"));
  if (dataset.target_columns() != static_cast<int>(plan.task.targets.values.size())) {
    return BadData(absl::StrCat("the data set has ", dataset.target_columns(),
                                " columns of targets, ", plan.task.targets.field, " names ",
                                plan.task.targets.values.size()));
  }
  const bool image = plan.view.size > 0;
  if (image == dataset.pixels().empty()) {
    return BadData(image ? "data.image is given, but the data set is a table"
                         : "the data set has images; say data.image.size");
  }
  if (image && (dataset.height() < plan.view.size || dataset.width() < plan.view.size)) {
    return BadData(absl::StrCat("decoded images are ", dataset.height(), "x", dataset.width(),
                                ", smaller than data.image.size ", plan.view.size));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainingParts> MakeTrainingParts(const TrainerOptions& options) {
  const spec::TrainingPlan& plan = options.plan;
  const data::Dataset& dataset = options.dataset;
  RETURN_IF_ERROR(CheckData(plan, dataset));
  TrainingParts parts;
  parts.steps_per_epoch = static_cast<int64_t>(dataset.train().size()) / plan.batch_size;
  const bool as_before = plan.view.normalize == spec::ViewPlan::Normalize::kModel;
  Normalisation normalisation;
  if (as_before) {
    normalisation = options.init->card.normalisation;
  } else {
    ASSIGN_OR_RETURN(normalisation, MakeNormalisation(plan.view, dataset));
  }
  parts.source = std::make_unique<BatchSource>(dataset, plan.view.size, std::move(normalisation),
                                               options.device);
  parts.facts = FactsOf(plan.task, dataset);
  ASSIGN_OR_RETURN(parts.task, MakeTask(plan.task, parts.facts, options.device));
  ASSIGN_OR_RETURN(parts.model,
                   MakeModel(plan.model, parts.task->outputs(), parts.source->inputs(), plan.seed));
  if (plan.init) {
    const auto& columns = dataset.manifest().columns();
    RETURN_IF_ERROR(StartFrom(*plan.init, *options.init,
                              {plan.task.Name(),
                               dataset.classes(),
                               dataset.target_names(),
                               {columns.begin(), columns.end()}},
                              *parts.model));
  }
  parts.model->Prepare(options.device, plan.precision);
  parts.optimizer = std::make_unique<Optimizer>(plan.optimizer, *parts.model);
  std::unique_ptr<StepGraph> graph;
  const std::string why_not = WhyNotRecorded(plan, options.device);
  if (why_not.empty()) {
    graph = LoadedGpuPlugin()->make_step_graph(options.device.index());
  } else if (options.device.is_cuda()) {
    std::fprintf(stderr, "Training steps are not recorded as a graph: %s.\n", why_not.c_str());
  }
  parts.step = std::make_unique<TrainingStep>(plan, *parts.model, *parts.task, *parts.optimizer,
                                              std::move(graph));
  return parts;
}

BatchOrder EpochOrderOf(const TrainerOptions& options, int epoch) {
  const spec::TrainingPlan& plan = options.plan;
  const std::vector<int64_t>& train = options.dataset.train();
  BatchOrder order;
  order.samples = data::EpochOrder(plan.seed, epoch, static_cast<int64_t>(train.size()));
  for (int64_t& sample : order.samples) sample = train[sample];
  order.batch_size = plan.batch_size;
  order.drop_short = true;
  order.augment = plan.augment;
  order.mixup = plan.mixup;
  order.mirrored_classes = MirroredClasses(plan.augment, options.dataset.classes());
  order.seed = plan.seed;
  order.epoch = epoch;
  return order;
}

}  // namespace skytrain::training
