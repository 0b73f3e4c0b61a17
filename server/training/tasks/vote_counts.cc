#include "server/training/tasks/vote_counts.h"

#include <cmath>

#include "ATen/ATen.h"
#include "server/training/tasks/error_sums.h"

namespace skytrain::training {

at::Tensor DirichletMultinomialLoss(const at::Tensor& concentrations, const at::Tensor& counts) {
  const at::Tensor total = counts.sum(1);
  const at::Tensor concentration = concentrations.sum(1);
  return (total + concentration).lgamma() - concentration.lgamma() - (total + 1).lgamma() +
         ((counts + 1).lgamma() + concentrations.lgamma() - (counts + concentrations).lgamma())
             .sum(1);
}

// Of each question: its share of the loss, and the RMSE of its fractions over the samples of which
// somebody was asked; NaN where that is none.
class VoteCountsTask::Votes final : public SampleLossMetrics {
 public:
  explicit Votes(const VoteCountsTask& task)
      : SampleLossMetrics(task, task.device_),
        task_(task),
        losses_(Zeros()),
        errors_(Zeros()),
        asked_(Zeros()) {}

 private:
  void AddAnswers(const at::Tensor& outputs, const Batch& batch) override {
    const auto [errors, asked] = task_.QuestionErrors(outputs, batch);
    losses_ += task_.QuestionLosses(outputs, batch).to(at::kDouble).sum(0);
    errors_ += errors.to(at::kDouble).sum(0);
    asked_ += asked.to(at::kDouble).sum(0);
  }
  void AddMeasures(v1::EvaluationReport& report) const override {
    const at::Tensor losses = (losses_ / static_cast<double>(count())).cpu();
    const at::Tensor rmse = (errors_ / asked_).sqrt().cpu();
    AddMeasure(report, "rmse", (errors_.sum() / asked_.sum()).sqrt().item<double>());
    for (size_t q = 0; q < task_.tree_.questions.size(); ++q) {
      const std::string& name = task_.tree_.questions[q].name;
      AddMeasure(report, "loss/" + name, losses.const_data_ptr<double>()[q]);
      AddMeasure(report, "rmse/" + name, rmse.const_data_ptr<double>()[q]);
    }
  }

  at::Tensor Zeros() const {
    return at::zeros({static_cast<int64_t>(task_.tree_.questions.size())},
                     at::TensorOptions(task_.device_).dtype(at::kDouble));
  }

  const VoteCountsTask& task_;
  at::Tensor losses_, errors_, asked_;  // float64 [questions]
};

VoteCountsTask::VoteCountsTask(const spec::TaskPlan& plan, const c10::Device& device)
    : tree_(plan.tree), device_(device) {}

at::Tensor VoteCountsTask::Concentrations(const at::Tensor& outputs) const {
  return outputs.to(at::kFloat).sigmoid() * 100 + 1;
}

at::Tensor VoteCountsTask::QuestionLosses(const at::Tensor& outputs, const Batch& batch) const {
  const at::Tensor concentrations = Concentrations(outputs);
  std::vector<at::Tensor> losses;
  for (const spec::TreePlan::Question& question : tree_.questions) {
    losses.push_back(
        DirichletMultinomialLoss(concentrations.narrow(1, question.first, question.answers),
                                 batch.targets.narrow(1, question.first, question.answers)));
  }
  return at::stack(losses, 1);
}

std::pair<at::Tensor, at::Tensor> VoteCountsTask::QuestionErrors(const at::Tensor& outputs,
                                                                 const Batch& batch) const {
  const at::Tensor predicted = Predictions(outputs);
  std::vector<at::Tensor> errors, asked;
  for (const spec::TreePlan::Question& question : tree_.questions) {
    const at::Tensor counts = batch.targets.narrow(1, question.first, question.answers);
    const at::Tensor total = counts.sum(1, /*keepdim=*/true);
    const at::Tensor error =
        predicted.narrow(1, question.first, question.answers) - counts / total.clamp_min(1);
    asked.push_back((total.squeeze(1) > 0).to(at::kFloat));
    errors.push_back(error.square().mean(1) * asked.back());
  }
  return {at::stack(errors, 1), at::stack(asked, 1)};
}

at::Tensor VoteCountsTask::SampleLosses(const at::Tensor& outputs, const Batch& batch) const {
  return QuestionLosses(outputs, batch).sum(1);
}

at::Tensor VoteCountsTask::TrainSum(const at::Tensor& outputs, const Batch& batch) const {
  const auto [errors, asked] = QuestionErrors(outputs, batch);
  return (errors.sum(1) / asked.sum(1).clamp_min(1)).sum();
}

double VoteCountsTask::TrainMetric(double mean) const { return std::sqrt(mean); }

std::unique_ptr<SplitMetrics> VoteCountsTask::Metrics() const {
  return std::make_unique<Votes>(*this);
}

at::Tensor VoteCountsTask::Predictions(const at::Tensor& outputs) const {
  return OfEachQuestion(outputs, [](const at::Tensor& concentrations) {
    return concentrations / concentrations.sum(1, /*keepdim=*/true);
  });
}

at::Tensor VoteCountsTask::Deviations(const at::Tensor& outputs) const {
  return OfEachQuestion(outputs, [](const at::Tensor& concentrations) {
    const at::Tensor total = concentrations.sum(1, /*keepdim=*/true);
    const at::Tensor mean = concentrations / total;
    return (mean * (1 - mean) / (total + 1)).sqrt();
  });
}

template <typename Function>
at::Tensor VoteCountsTask::OfEachQuestion(const at::Tensor& outputs,
                                          const Function& function) const {
  const at::Tensor concentrations = Concentrations(outputs);
  at::Tensor result = at::empty_like(concentrations);
  for (const spec::TreePlan::Question& question : tree_.questions) {
    result.narrow(1, question.first, question.answers)
        .copy_(function(concentrations.narrow(1, question.first, question.answers)));
  }
  return result;
}

// The shares of a question are those of `predictions`. How sure it is, the sum of its
// concentrations, is that of the average pass, as far as all of them stay within (1, 101): the
// shares of one pass, and so those of an average of passes, differ by less than a factor of 101, so
// there is such a sum.
at::Tensor VoteCountsTask::OutputsFor(const at::Tensor& predictions,
                                      const at::Tensor& mean_outputs) const {
  const at::Tensor typical = Concentrations(mean_outputs);
  std::vector<at::Tensor> outputs(tree_.columns.size());
  for (const spec::TreePlan::Question& question : tree_.questions) {
    const at::Tensor shares = predictions.narrow(1, question.first, question.answers);
    at::Tensor sum = typical.narrow(1, question.first, question.answers).sum(1, /*keepdim=*/true);
    sum = sum.minimum(101 / shares.amax(1, /*keepdim=*/true))
              .maximum(1 / shares.amin(1, /*keepdim=*/true));
    const at::Tensor logits = ((shares * sum - 1) / 100).logit(1e-6);
    for (int a = 0; a < question.answers; ++a) {
      outputs[question.first + a] = logits.narrow(1, a, 1);
    }
  }
  return at::cat(outputs, 1);
}

}  // namespace skytrain::training
