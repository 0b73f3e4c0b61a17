#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/training/tasks/sample_loss_task.h"

namespace skytrain::training {

// Yes or no to each of several questions. Outputs are logits [N, T]; sigmoid cross entropy against
// targets in [0, 1], averaged over the questions. Right is an answer on the target's side of 0.5.
class MultiLabelTask final : public SampleLossTask {
 public:
  MultiLabelTask(std::vector<std::string> columns, const c10::Device& device);

  std::string name() const override { return "multi_label"; }
  int64_t outputs() const override { return static_cast<int64_t>(columns_.size()); }
  at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const override;
  std::string train_metric() const override { return "accuracy"; }
  at::Tensor TrainSum(const at::Tensor& outputs, const Batch& batch) const override;
  std::unique_ptr<SplitMetrics> Metrics() const override;
  at::Tensor Predictions(const at::Tensor& outputs) const override;
  at::Tensor OutputsFor(const at::Tensor& predictions,
                        const at::Tensor& mean_outputs) const override;
  std::vector<std::string> prediction_names() const override { return columns_; }

 private:
  class Answers;

  const std::vector<std::string> columns_;
  const c10::Device device_;
};

}  // namespace skytrain::training
