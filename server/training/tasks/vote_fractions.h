#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/training/tasks/task.h"

namespace skytrain::training {

// The fraction of all volunteers that gave each answer of a decision tree: a softmax over each
// question's answers times the fraction of those who were asked it, the sum of the answers that
// lead to it. So every prediction obeys the tree. Outputs are logits [N, answers].
class VoteFractionsTask final : public Task {
 public:
  VoteFractionsTask(const spec::TaskPlan& plan, const c10::Device& device);

  std::string name() const override { return "vote_fractions"; }
  int64_t outputs() const override { return static_cast<int64_t>(tree_.columns.size()); }
  at::Tensor Loss(const at::Tensor& outputs, const Batch& batch) const override;
  std::string train_metric() const override { return "rmse"; }
  at::Tensor TrainSum(const at::Tensor& outputs, const Batch& batch) const override;
  double TrainMetric(double mean) const override;
  std::unique_ptr<SplitMetrics> Metrics() const override;
  at::Tensor Predictions(const at::Tensor& outputs) const override;
  std::vector<std::string> prediction_names() const override { return tree_.columns; }

 private:
  class Errors;
  at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const;

  const spec::TreePlan tree_;
  const bool cross_entropy_;
  const c10::Device device_;
};

}  // namespace skytrain::training
