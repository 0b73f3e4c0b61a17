#include "server/training/tasks/sample_loss_task.h"

#include <cmath>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "server/training/tasks/error_sums.h"

namespace skytrain::training {
namespace {

at::Tensor Zero(const c10::Device& device) {
  return at::zeros({}, at::TensorOptions(device).dtype(at::kDouble));
}

}  // namespace

at::Tensor SampleLossTask::Loss(const at::Tensor& outputs, const Batch& batch) const {
  const at::Tensor losses = SampleLosses(outputs, batch);
  if (!batch.weights.defined()) return losses.mean();
  // A batch of samples without weight has no loss, rather than 0 / 0.
  return (losses * batch.weights).sum() / batch.weights.sum().clamp_min(1e-12);
}

SampleLossMetrics::SampleLossMetrics(const SampleLossTask& task, const c10::Device& device)
    : task_(task), loss_(Zero(device)), weight_(Zero(device)) {}

void SampleLossMetrics::Add(const at::Tensor& outputs, const Batch& batch) {
  const at::NoGradGuard no_grad;
  const at::Tensor losses = task_.SampleLosses(outputs, batch).to(at::kDouble);
  count_ += losses.size(0);
  if (batch.weights.defined()) {
    loss_ += (losses * batch.weights).sum();
    weight_ += batch.weights.to(at::kDouble).sum();
  } else {
    loss_ += losses.sum();
    weight_ += losses.size(0);
  }
  AddAnswers(outputs, batch);
}

v1::EvaluationReport SampleLossMetrics::Report(const std::string& split) const {
  v1::EvaluationReport report;
  report.set_task(task_.name());
  report.set_split(split);
  report.set_count(count_);
  report.set_loss(loss_.item<double>() / weight_.item<double>());
  AddMeasures(report);
  return report;
}

class ColumnsTask::Errors final : public SampleLossMetrics {
 public:
  Errors(const ColumnsTask& task, const std::vector<double>& means)
      : SampleLossMetrics(task, task.device_),
        task_(task),
        varies_(!means.empty()),
        errors_(task.columns_, means, task.device_) {}

 private:
  void AddAnswers(const at::Tensor& outputs, const Batch& batch) override {
    errors_.Add(task_.Predictions(outputs), batch.targets);
  }
  void AddMeasures(v1::EvaluationReport& report) const override {
    errors_.AddRmse(report);
    if (varies_) errors_.AddMaeAndR2(report);
  }

  const ColumnsTask& task_;
  const bool varies_;
  ErrorSums errors_;
};

at::Tensor ColumnsTask::TrainSum(const at::Tensor& outputs, const Batch& batch) const {
  return (Predictions(outputs) - batch.targets).square().mean(1).sum();
}

double ColumnsTask::TrainMetric(double mean) const { return std::sqrt(mean); }

std::unique_ptr<SplitMetrics> ColumnsTask::ErrorMetrics(const std::vector<double>& means) const {
  return std::make_unique<Errors>(*this, means);
}

}  // namespace skytrain::training
