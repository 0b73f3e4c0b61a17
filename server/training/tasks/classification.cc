#include "server/training/tasks/classification.h"

#include <limits>
#include <numeric>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"

namespace skytrain::training {

std::vector<double> BalancedClassWeights(absl::Span<const int64_t> class_counts) {
  const double total =
      static_cast<double>(std::accumulate(class_counts.begin(), class_counts.end(), int64_t{0}));
  std::vector<double> weights;
  for (const int64_t count : class_counts) {
    weights.push_back(
        count > 0 ? total / (static_cast<double>(class_counts.size()) * static_cast<double>(count))
                  : 0.0);
  }
  return weights;
}

at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels,
                        const at::Tensor& class_weights) {
  return at::cross_entropy_loss(
      logits, labels, class_weights.defined() ? std::optional(class_weights) : std::nullopt);
}

ClassificationMetrics::ClassificationMetrics(int64_t classes, at::Tensor class_weights,
                                             const c10::Device& device)
    : classes_(classes),
      class_weights_(std::move(class_weights)),
      confusion_(at::zeros({classes * classes}, at::TensorOptions(device).dtype(at::kLong))),
      loss_sum_(at::zeros({}, at::TensorOptions(device).dtype(at::kDouble))) {}

void ClassificationMetrics::Add(const at::Tensor& logits, const at::Tensor& labels) {
  const at::NoGradGuard no_grad;
  const at::Tensor cell = labels * classes_ + logits.argmax(1);
  confusion_.index_add_(0, cell, at::ones_like(cell));
  loss_sum_ += at::cross_entropy_loss(
      logits, labels, class_weights_.defined() ? std::optional(class_weights_) : std::nullopt,
      at::Reduction::Sum);
}

v1::EvaluationReport ClassificationMetrics::Report(
    const std::string& split, const std::vector<std::string>& class_names) const {
  v1::EvaluationReport report;
  report.set_split(split);
  report.mutable_classes()->Assign(class_names.begin(), class_names.end());
  const at::Tensor confusion = confusion_.cpu();
  const int64_t* cells = confusion.const_data_ptr<int64_t>();
  report.mutable_confusion_matrix()->Assign(cells, cells + classes_ * classes_);
  FillFromConfusionMatrix(report);
  double weight = static_cast<double>(report.count());
  if (class_weights_.defined()) {
    const at::Tensor rows = confusion.view({classes_, classes_}).sum(1).to(at::kDouble);
    weight = (rows * class_weights_.cpu().to(at::kDouble)).sum().item<double>();
  }
  report.set_loss(loss_sum_.item<double>() / weight);
  return report;
}

void FillFromConfusionMatrix(v1::EvaluationReport& report) {
  const int classes = report.classes_size();
  int64_t count = 0, correct = 0;
  double recalls = 0.0;
  int with_samples = 0;
  report.clear_recall();
  for (int label = 0; label < classes; ++label) {
    int64_t row = 0;
    for (int k = 0; k < classes; ++k) row += report.confusion_matrix(label * classes + k);
    const int64_t hits = report.confusion_matrix(label * classes + label);
    count += row;
    correct += hits;
    if (row == 0) {
      report.add_recall(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    report.add_recall(static_cast<double>(hits) / static_cast<double>(row));
    recalls += report.recall(label);
    ++with_samples;
  }
  report.set_count(count);
  report.set_accuracy(static_cast<double>(correct) / static_cast<double>(count));
  report.set_balanced_accuracy(recalls / with_samples);
}

}  // namespace skytrain::training
