#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/training/tasks/task.h"

namespace skytrain::training {

// Numbers. Outputs [N, T] are in deviations of the train split from its mean; the loss, squared or
// Huber's, is of those, averaged over the columns. Metrics and predictions are in the targets' own
// units.
class RegressionTask final : public Task {
 public:
  RegressionTask(const spec::TaskPlan& plan, std::vector<double> mean,
                 std::vector<double> deviation, const c10::Device& device);

  std::string name() const override { return "regression"; }
  int64_t outputs() const override { return static_cast<int64_t>(columns_.size()); }
  at::Tensor Loss(const at::Tensor& outputs, const Batch& batch) const override;
  std::string train_metric() const override { return "rmse"; }
  at::Tensor TrainSum(const at::Tensor& outputs, const Batch& batch) const override;
  double TrainMetric(double mean) const override;
  std::unique_ptr<SplitMetrics> Metrics() const override;
  at::Tensor Predictions(const at::Tensor& outputs) const override;
  std::vector<std::string> prediction_names() const override { return columns_; }

 private:
  class Errors;
  at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const;

  const std::vector<std::string> columns_;
  const bool huber_;
  const double huber_delta_;
  const std::vector<double> mean_;
  const c10::Device device_;
  const at::Tensor shift_, scale_;  // float32 [T]: mean_ and the deviation.
};

}  // namespace skytrain::training
