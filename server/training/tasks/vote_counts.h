#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/training/tasks/sample_loss_task.h"

namespace skytrain::training {

// -log of the Dirichlet-multinomial likelihood of vote counts [N, A] under `concentrations` [N, A],
// all of one question: float32 [N]. 0 where nobody was asked.
//   lgamma(n + a0) - lgamma(a0) - lgamma(n + 1) + sum(lgamma(c + 1) + lgamma(a) - lgamma(c + a))
at::Tensor DirichletMultinomialLoss(const at::Tensor& concentrations, const at::Tensor& counts);

// How many volunteers gave each answer of a decision tree (Walmsley et al. 2022, arXiv:2102.08414).
// Outputs [N, answers] become concentrations in (1, 101) by a sigmoid; the loss is the sum over the
// questions. Predicted are expected fractions among those who were asked. All in float32.
class VoteCountsTask final : public SampleLossTask {
 public:
  VoteCountsTask(const spec::TaskPlan& plan, const c10::Device& device);

  std::string name() const override { return "vote_counts"; }
  int64_t outputs() const override { return static_cast<int64_t>(tree_.columns.size()); }
  at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const override;
  // Over the answers to questions that somebody was asked.
  std::string train_metric() const override { return "rmse"; }
  at::Tensor TrainSum(const at::Tensor& outputs, const Batch& batch) const override;
  double TrainMetric(double mean) const override;
  std::unique_ptr<SplitMetrics> Metrics() const override;
  at::Tensor Predictions(const at::Tensor& outputs) const override;
  // Of the Dirichlet distribution over a question's fractions: sqrt(m (1 - m) / (a0 + 1)).
  bool knows_deviations() const override { return true; }
  at::Tensor Deviations(const at::Tensor& outputs) const override;
  at::Tensor OutputsFor(const at::Tensor& predictions,
                        const at::Tensor& mean_outputs) const override;
  std::vector<std::string> prediction_names() const override { return tree_.columns; }

 private:
  class Votes;
  at::Tensor Concentrations(const at::Tensor& outputs) const;
  // Columns [N, answers] from `function` of each question's concentrations [N, its answers].
  template <typename Function>
  at::Tensor OfEachQuestion(const at::Tensor& outputs, const Function& function) const;
  // [N, questions], in the tree's order.
  at::Tensor QuestionLosses(const at::Tensor& outputs, const Batch& batch) const;
  // Squared error of the expected fraction, mean over a question's answers, 0 where nobody was
  // asked; and whether somebody was: both float32 [N, questions].
  std::pair<at::Tensor, at::Tensor> QuestionErrors(const at::Tensor& outputs,
                                                   const Batch& batch) const;

  const spec::TreePlan tree_;
  const c10::Device device_;
};

}  // namespace skytrain::training
