#include "server/training/tasks/multi_label.h"

#include <utility>

#include "ATen/ATen.h"
#include "server/training/tasks/error_sums.h"

namespace skytrain::training {
namespace {

// Bool [N, T].
at::Tensor Right(const at::Tensor& outputs, const Batch& batch) {
  return (outputs > 0) == (batch.targets > 0.5);
}

}  // namespace

class MultiLabelTask::Answers final : public SampleLossMetrics {
 public:
  explicit Answers(const MultiLabelTask& task)
      : SampleLossMetrics(task, task.device_),
        columns_(task.columns_),
        right_(at::zeros({task.outputs()}, at::TensorOptions(task.device_).dtype(at::kDouble))) {}

 private:
  void AddAnswers(const at::Tensor& outputs, const Batch& batch) override {
    right_ += Right(outputs, batch).sum(0);
  }
  void AddMeasures(v1::EvaluationReport& report) const override {
    const at::Tensor accuracy = (right_ / static_cast<double>(count())).cpu();
    AddMeasure(report, "accuracy", accuracy.mean().item<double>());
    for (size_t c = 0; c < columns_.size(); ++c) {
      AddMeasure(report, "accuracy/" + columns_[c], accuracy.const_data_ptr<double>()[c]);
    }
  }

  const std::vector<std::string>& columns_;
  at::Tensor right_;  // float64 [T]
};

MultiLabelTask::MultiLabelTask(std::vector<std::string> columns, const c10::Device& device)
    : columns_(std::move(columns)), device_(device) {}

at::Tensor MultiLabelTask::SampleLosses(const at::Tensor& outputs, const Batch& batch) const {
  return at::binary_cross_entropy_with_logits(outputs, batch.targets, {}, {}, at::Reduction::None)
      .mean(1);
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

at::Tensor MultiLabelTask::OutputsFor(const at::Tensor& predictions,
                                      const at::Tensor& /*mean_outputs*/) const {
  // From 1 float32 has no smaller step down than this.
  return predictions.logit(std::numeric_limits<float>::epsilon() / 2);
}

}  // namespace skytrain::training
