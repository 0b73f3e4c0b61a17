#include "server/training/tasks/regression.h"

#include <utility>

#include "ATen/ATen.h"

namespace skytrain::training {
namespace {

at::Tensor OnDevice(const std::vector<double>& values, const c10::Device& device) {
  return at::tensor(at::ArrayRef<double>(values)).to(at::kFloat).to(device);
}

}  // namespace

RegressionTask::RegressionTask(const spec::TaskPlan& plan, std::vector<double> mean,
                               std::vector<double> deviation, const c10::Device& device)
    : ColumnsTask(plan.targets.values, device),
      huber_(plan.huber),
      huber_delta_(plan.huber_delta),
      mean_(std::move(mean)),
      shift_(OnDevice(mean_, device)),
      scale_(OnDevice(deviation, device)) {}

at::Tensor RegressionTask::SampleLosses(const at::Tensor& outputs, const Batch& batch) const {
  const at::Tensor targets = (batch.targets - shift_) / scale_;
  const at::Tensor losses =
      huber_ ? at::huber_loss(outputs, targets, at::Reduction::None, huber_delta_)
             : at::mse_loss(outputs, targets, at::Reduction::None);
  return losses.mean(1);
}

std::unique_ptr<SplitMetrics> RegressionTask::Metrics() const { return ErrorMetrics(mean_); }

at::Tensor RegressionTask::Predictions(const at::Tensor& outputs) const {
  return outputs * scale_ + shift_;
}

at::Tensor RegressionTask::OutputsFor(const at::Tensor& predictions,
                                      const at::Tensor& /*mean_outputs*/) const {
  return (predictions - shift_) / scale_;
}

}  // namespace skytrain::training
