#include "server/training/tasks/regression.h"

#include <cmath>
#include <utility>

#include "ATen/ATen.h"
#include "server/training/tasks/error_sums.h"

namespace skytrain::training {
namespace {

at::Tensor OnDevice(const std::vector<double>& values, const c10::Device& device) {
  return at::tensor(at::ArrayRef<double>(values)).to(at::kFloat).to(device);
}

}  // namespace

class RegressionTask::Errors final : public SplitMetrics {
 public:
  explicit Errors(const RegressionTask& task)
      : task_(task), loss_(task.device_), errors_(task.columns_, task.mean_, task.device_) {}

  void Add(const at::Tensor& outputs, const Batch& batch) override {
    loss_.Add(task_.SampleLosses(outputs, batch), batch.weights);
    errors_.Add(task_.Predictions(outputs), batch.targets);
  }

  v1::EvaluationReport Report(const std::string& split) const override {
    v1::EvaluationReport report;
    report.set_task(task_.name());
    report.set_split(split);
    report.set_count(loss_.count());
    report.set_loss(loss_.Mean());
    errors_.AddRmse(report);
    errors_.AddMaeAndR2(report);
    return report;
  }

 private:
  const RegressionTask& task_;
  LossSum loss_;
  ErrorSums errors_;
};

RegressionTask::RegressionTask(const spec::TaskPlan& plan, std::vector<double> mean,
                               std::vector<double> deviation, const c10::Device& device)
    : columns_(plan.targets.values),
      huber_(plan.huber),
      huber_delta_(plan.huber_delta),
      mean_(std::move(mean)),
      device_(device),
      shift_(OnDevice(mean_, device)),
      scale_(OnDevice(deviation, device)) {}

at::Tensor RegressionTask::SampleLosses(const at::Tensor& outputs, const Batch& batch) const {
  const at::Tensor targets = (batch.targets - shift_) / scale_;
  const at::Tensor losses =
      huber_ ? at::huber_loss(outputs, targets, at::Reduction::None, huber_delta_)
             : at::mse_loss(outputs, targets, at::Reduction::None);
  return losses.mean(1);
}

at::Tensor RegressionTask::Loss(const at::Tensor& outputs, const Batch& batch) const {
  return WeightedMean(SampleLosses(outputs, batch), batch.weights);
}

at::Tensor RegressionTask::TrainSum(const at::Tensor& outputs, const Batch& batch) const {
  return (Predictions(outputs) - batch.targets).square().mean(1).sum();
}

double RegressionTask::TrainMetric(double mean) const { return std::sqrt(mean); }

std::unique_ptr<SplitMetrics> RegressionTask::Metrics() const {
  return std::make_unique<Errors>(*this);
}

at::Tensor RegressionTask::Predictions(const at::Tensor& outputs) const {
  return outputs * scale_ + shift_;
}

}  // namespace skytrain::training
