#include "server/training/tasks/task.h"

#include <cmath>
#include <limits>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "server/training/tasks/classification.h"
#include "server/training/tasks/multi_label.h"
#include "server/training/tasks/regression.h"
#include "server/training/tasks/vote_counts.h"
#include "server/training/tasks/vote_fractions.h"

namespace skytrain::training {
namespace {

using Kind = spec::TaskPlan::Kind;

absl::Status BadData(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "DATA_INVALID", message);
}

// Mean and deviation of each target over the train split.
void Standardise(const data::Dataset& dataset, TaskFacts& facts) {
  const int columns = dataset.target_columns();
  const auto count = static_cast<double>(dataset.train().size());
  for (int c = 0; c < columns; ++c) {
    double sum = 0.0, squares = 0.0;
    for (const int64_t i : dataset.train()) sum += dataset.targets()[i * columns + c];
    const double mean = sum / count;
    for (const int64_t i : dataset.train()) {
      const double off = dataset.targets()[i * columns + c] - mean;
      squares += off * off;
    }
    const double deviation = std::sqrt(squares / count);
    facts.target_mean.push_back(mean);
    facts.target_deviation.push_back(deviation > 0.0 ? deviation : 1.0);
  }
}

at::Tensor ClassWeights(const TaskFacts& facts, const c10::Device& device) {
  if (facts.class_weights.empty()) return {};
  return at::tensor(at::ArrayRef<double>(facts.class_weights)).to(at::kFloat).to(device);
}

}  // namespace

at::Tensor Task::LossWeight(const Batch& batch) const {
  if (batch.weights.defined()) return batch.weights.sum();
  return at::full({}, static_cast<double>(batch.labels.size(0)),
                  at::TensorOptions(batch.labels.device()).dtype(at::kFloat));
}

TaskFacts FactsOf(const spec::TaskPlan& plan, const data::Dataset& dataset) {
  TaskFacts facts;
  facts.classes = dataset.classes();
  if (plan.class_weight_power != 0.0) {
    std::vector<int64_t> counts(facts.classes.size());
    for (const int64_t sample : dataset.train()) ++counts[dataset.labels()[sample]];
    facts.class_weights = ClassWeights(counts, plan.class_weight_power);
  }
  if (plan.kind == Kind::kRegression) Standardise(dataset, facts);
  return facts;
}

absl::StatusOr<std::unique_ptr<Task>> MakeTask(const spec::TaskPlan& plan, TaskFacts facts,
                                               const c10::Device& device) {
  switch (plan.kind) {
    case Kind::kClassification:
      if (facts.classes.size() < 2) return BadData("the data set has fewer than two classes");
      return std::make_unique<ClassificationTask>(
          facts.classes,
          ClassLoss{ClassWeights(facts, device), plan.label_smoothing, plan.focal_gamma}, device);
    case Kind::kRegression:
      if (facts.target_mean.size() != plan.targets.values.size()) {
        return BadData(absl::StrCat("there are ", facts.target_mean.size(), " columns of targets, ",
                                    plan.targets.field, " names ", plan.targets.values.size()));
      }
      return std::make_unique<RegressionTask>(plan, facts.target_mean, facts.target_deviation,
                                              device);
    case Kind::kMultiLabel:
      return std::make_unique<MultiLabelTask>(plan.targets.values, device);
    case Kind::kVoteFractions:
      return std::make_unique<VoteFractionsTask>(plan, device);
    case Kind::kVoteCounts:
      break;
  }
  return std::make_unique<VoteCountsTask>(plan, device);
}

at::Tensor LogOfShares(const at::Tensor& shares) {
  return shares.clamp_min(std::numeric_limits<float>::min()).log();
}

}  // namespace skytrain::training
