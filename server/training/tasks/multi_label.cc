#include "server/training/tasks/multi_label.h"

#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "server/training/tasks/error_sums.h"

namespace skytrain::training {
namespace {

at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) {
  return at::binary_cross_entropy_with_logits(outputs, batch.targets, {}, {}, at::Reduction::None)
      .mean(1);
}

// Bool [N, T].
at::Tensor Right(const at::Tensor& outputs, const Batch& batch) {
  return (outputs > 0) == (batch.targets > 0.5);
}

}  // namespace

class MultiLabelTask::Answers final : public SplitMetrics {
 public:
  explicit Answers(const MultiLabelTask& task)
      : task_(task),
        loss_(task.device_),
        right_(at::zeros({task.outputs()}, at::TensorOptions(task.device_).dtype(at::kDouble))) {}

  void Add(const at::Tensor& outputs, const Batch& batch) override {
    const at::NoGradGuard no_grad;
    loss_.Add(SampleLosses(outputs, batch), batch.weights);
    right_ += Right(outputs, batch).sum(0);
  }

  v1::EvaluationReport Report(const std::string& split) const override {
    v1::EvaluationReport report;
    report.set_task(task_.name());
    report.set_split(split);
    report.set_count(loss_.count());
    report.set_loss(loss_.Mean());
    const at::Tensor accuracy = (right_ / static_cast<double>(loss_.count())).cpu();
    AddMeasure(report, "accuracy", accuracy.mean().item<double>());
    for (size_t c = 0; c < task_.columns_.size(); ++c) {
      AddMeasure(report, "accuracy/" + task_.columns_[c], accuracy.const_data_ptr<double>()[c]);
    }
    return report;
  }

 private:
  const MultiLabelTask& task_;
  LossSum loss_;
  at::Tensor right_;  // float64 [T]
};

MultiLabelTask::MultiLabelTask(std::vector<std::string> columns, const c10::Device& device)
    : columns_(std::move(columns)), device_(device) {}

at::Tensor MultiLabelTask::Loss(const at::Tensor& outputs, const Batch& batch) const {
  return WeightedMean(SampleLosses(outputs, batch), batch.weights);
}

at::Tensor MultiLabelTask::TrainSum(const at::Tensor& outputs, const Batch& batch) const {
  return Right(outputs, batch).to(at::kFloat).mean(1).sum();
}

std::unique_ptr<SplitMetrics> MultiLabelTask::Metrics() const {
  return std::make_unique<Answers>(*this);
}

at::Tensor MultiLabelTask::Predictions(const at::Tensor& outputs) const {
  return outputs.sigmoid();
}

}  // namespace skytrain::training
