#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/training/tasks/sample_loss_task.h"

namespace skytrain::training {

// Numbers. Outputs [N, T] are in deviations of the train split from its mean; the loss, squared or
// Huber's, is of those, averaged over the columns. Metrics and predictions are in the targets' own
// units.
class RegressionTask final : public ColumnsTask {
 public:
  RegressionTask(const spec::TaskPlan& plan, std::vector<double> mean,
                 std::vector<double> deviation, const c10::Device& device);

  std::string name() const override { return "regression"; }
  at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const override;
  std::unique_ptr<SplitMetrics> Metrics() const override;
  at::Tensor Predictions(const at::Tensor& outputs) const override;
  at::Tensor OutputsFor(const at::Tensor& predictions,
                        const at::Tensor& mean_outputs) const override;

 private:
  const bool huber_;
  const double huber_delta_;
  const std::vector<double> mean_;
  const at::Tensor shift_, scale_;  // float32 [T]: mean_ and the deviation.
};

}  // namespace skytrain::training
