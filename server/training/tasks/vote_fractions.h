#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/training/tasks/sample_loss_task.h"

namespace skytrain::training {

// The fraction of all volunteers that gave each answer of a decision tree: a softmax over each
// question's answers times the fraction of those who were asked it, the sum of the answers that
// lead to it. So every prediction obeys the tree. Outputs are logits [N, answers].
class VoteFractionsTask final : public ColumnsTask {
 public:
  VoteFractionsTask(const spec::TaskPlan& plan, const c10::Device& device);

  std::string name() const override { return "vote_fractions"; }
  at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const override;
  std::unique_ptr<SplitMetrics> Metrics() const override { return ErrorMetrics({}); }
  at::Tensor Predictions(const at::Tensor& outputs) const override;
  at::Tensor OutputsFor(const at::Tensor& predictions,
                        const at::Tensor& mean_outputs) const override;

 private:
  const spec::TreePlan tree_;
  const bool cross_entropy_;
};

}  // namespace skytrain::training
