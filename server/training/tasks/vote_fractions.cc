#include "server/training/tasks/vote_fractions.h"

#include "ATen/ATen.h"

namespace skytrain::training {

VoteFractionsTask::VoteFractionsTask(const spec::TaskPlan& plan, const c10::Device& device)
    : ColumnsTask(plan.tree.columns, device),
      tree_(plan.tree),
      cross_entropy_(plan.vote_cross_entropy) {}

at::Tensor VoteFractionsTask::SampleLosses(const at::Tensor& outputs, const Batch& batch) const {
  if (!cross_entropy_) {
    return at::mse_loss(Predictions(outputs), batch.targets, at::Reduction::None).mean(1);
  }
  // A target is its question's share times the fraction of those who were asked, so the sum is
  // weighted by these as it stands.
  const at::Tensor logits = outputs.to(at::kFloat);
  at::Tensor losses = at::zeros({outputs.size(0)}, logits.options());
  for (const spec::TreePlan::Question& question : tree_.questions) {
    const at::Tensor log_shares = logits.narrow(1, question.first, question.answers).log_softmax(1);
    losses =
        losses - (log_shares * batch.targets.narrow(1, question.first, question.answers)).sum(1);
  }
  return losses;
}

at::Tensor VoteFractionsTask::Predictions(const at::Tensor& outputs) const {
  const at::Tensor logits = outputs.to(at::kFloat);
  std::vector<at::Tensor> columns(tree_.columns.size());  // Each [N, 1].
  for (const spec::TreePlan::Question& question : tree_.questions) {
    at::Tensor fractions = logits.narrow(1, question.first, question.answers).softmax(1);
    if (!question.after.empty()) {
      at::Tensor asked = columns[question.after[0]];
      for (size_t i = 1; i < question.after.size(); ++i) {
        asked = asked + columns[question.after[i]];
      }
      fractions = fractions * asked;
    }
    for (int a = 0; a < question.answers; ++a) {
      columns[question.first + a] = fractions.narrow(1, a, 1);
    }
  }
  return at::cat(columns, 1);
}

// A question's fractions are its shares times the fraction of those who were asked, which a softmax
// divides out; and the average of predictions that obey the tree obeys it too.
at::Tensor VoteFractionsTask::OutputsFor(const at::Tensor& predictions,
                                         const at::Tensor& /*mean_outputs*/) const {
  return LogOfShares(predictions);
}

}  // namespace skytrain::training
