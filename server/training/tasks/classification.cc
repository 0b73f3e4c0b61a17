#include "server/training/tasks/classification.h"

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "server/training/tasks/error_sums.h"
#include "server/training/tasks/ranking.h"

namespace skytrain::training {
namespace {

std::optional<at::Tensor> OptionalOf(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

constexpr int64_t kCalibrationBins = 15;

// "macro_f1", over the classes that have samples, "precision/CLASS" and "f1/CLASS", from the
// confusion matrix. A class that is never predicted has no precision, and an F1 of 0.
void AddF1(v1::EvaluationReport& report) {
  const int classes = report.classes_size();
  std::vector<double> precision(classes), f1(classes);
  double sum = 0;
  int with_samples = 0;
  for (int k = 0; k < classes; ++k) {
    int64_t predicted = 0, labelled = 0;
    for (int other = 0; other < classes; ++other) {
      predicted += report.confusion_matrix(other * classes + k);
      labelled += report.confusion_matrix(k * classes + other);
    }
    const auto hits = static_cast<double>(report.confusion_matrix(k * classes + k));
    precision[k] = hits / static_cast<double>(predicted);  // 0 / 0: NaN.
    f1[k] = 2 * hits / static_cast<double>(predicted + labelled);
    if (labelled == 0) continue;
    sum += f1[k];
    ++with_samples;
  }
  AddMeasure(report, "macro_f1", sum / with_samples);
  for (int k = 0; k < classes; ++k) {
    AddMeasure(report, "precision/" + report.classes(k), precision[k]);
    AddMeasure(report, "f1/" + report.classes(k), f1[k]);
  }
}

}  // namespace

std::vector<double> ClassWeights(absl::Span<const int64_t> class_counts, double power) {
  const double total =
      static_cast<double>(std::accumulate(class_counts.begin(), class_counts.end(), int64_t{0}));
  const auto classes = static_cast<double>(class_counts.size());
  std::vector<double> weights;
  for (const int64_t count : class_counts) {
    weights.push_back(
        count > 0 ? std::pow(total / (classes * static_cast<double>(count)), power) : 0.0);
  }
  return weights;
}

at::Tensor ClassLoss::OfSamples(const at::Tensor& logits, const at::Tensor& labels) const {
  const at::Tensor losses =
      at::cross_entropy_loss(logits, labels, OptionalOf(class_weights), at::Reduction::None,
                             /*ignore_index=*/-100, label_smoothing);
  if (focal_gamma == 0.0) return losses;
  const at::Tensor probability =
      logits.log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1).exp();
  // Clamped, because the slope of 0^gamma may be infinite.
  return losses * (1 - probability).clamp_min(1e-7).pow(focal_gamma);
}

at::Tensor ClassLoss::Mean(const at::Tensor& logits, const at::Tensor& labels,
                           const at::Tensor& weights) const {
  if (!weights.defined() && focal_gamma == 0.0) {
    return at::cross_entropy_loss(logits, labels, OptionalOf(class_weights), at::Reduction::Mean,
                                  /*ignore_index=*/-100, label_smoothing);
  }
  at::Tensor losses = OfSamples(logits, labels);
  if (weights.defined()) losses = losses * weights;
  return losses.sum() / SampleWeights(labels, weights).sum().to(at::kFloat).clamp_min(1e-12);
}

at::Tensor ClassLoss::SampleWeights(const at::Tensor& labels, const at::Tensor& weights) const {
  at::Tensor result = at::ones(labels.sizes(), labels.options().dtype(at::kDouble));
  if (class_weights.defined()) result *= class_weights.index_select(0, labels);
  if (weights.defined()) result *= weights;
  return result;
}

ClassificationMetrics::ClassificationMetrics(std::vector<std::string> classes, ClassLoss loss,
                                             const c10::Device& device)
    : classes_(std::move(classes)),
      loss_(std::move(loss)),
      confusion_(at::zeros({static_cast<int64_t>(classes_.size() * classes_.size())},
                           at::TensorOptions(device).dtype(at::kLong))),
      loss_sum_(at::zeros({}, at::TensorOptions(device).dtype(at::kDouble))),
      weight_sum_(at::zeros({}, at::TensorOptions(device).dtype(at::kDouble))),
      calibration_(at::zeros({kCalibrationBins, 3}, at::TensorOptions(device).dtype(at::kDouble))) {
}

void ClassificationMetrics::Add(const at::Tensor& outputs, const Batch& batch) {
  const at::NoGradGuard no_grad;
  const at::Tensor cell = batch.labels * static_cast<int64_t>(classes_.size()) + outputs.argmax(1);
  confusion_.index_add_(0, cell, at::ones_like(cell));
  at::Tensor losses = loss_.OfSamples(outputs, batch.labels);
  if (batch.weights.defined()) losses = losses * batch.weights;
  loss_sum_ += losses.sum();
  weight_sum_ += loss_.SampleWeights(batch.labels, batch.weights).sum();
  const at::Tensor probabilities = outputs.to(at::kFloat).softmax(1);
  AddCalibration(probabilities, batch.labels);
  scores_kept_ += probabilities.numel();
  if (scores_kept_ > kMostScores) {
    probabilities_.clear();
    labels_.clear();
    return;
  }
  probabilities_.push_back(probabilities);
  labels_.push_back(batch.labels.clone());  // The batch's memory is used again.
}

void ClassificationMetrics::AddCalibration(const at::Tensor& probabilities,
                                           const at::Tensor& labels) {
  const auto [confidence, predicted] = probabilities.max(1);
  const at::Tensor bin =
      (confidence * kCalibrationBins).to(at::kLong).clamp_max(kCalibrationBins - 1);
  const at::Tensor hit = (predicted == labels).to(at::kDouble);
  calibration_.index_add_(0, bin,
                          at::stack({at::ones_like(hit), confidence.to(at::kDouble), hit}, 1));
}

void ClassificationMetrics::AddMeasures(v1::EvaluationReport& report) const {
  const auto classes = static_cast<int64_t>(classes_.size());
  AddF1(report);
  // |hits - sum of probabilities| of a bin is its share of samples times its gap.
  const at::Tensor bins = calibration_.cpu();
  AddMeasure(report, "ece",
             ((bins.select(1, 2) - bins.select(1, 1)).abs().sum() / bins.select(1, 0).sum())
                 .item<double>());
  if (probabilities_.empty()) return;
  const at::Tensor scores = at::cat(probabilities_, 0).t().contiguous().cpu();
  const at::Tensor labels = at::cat(labels_, 0).cpu();
  const int64_t count = labels.numel();
  std::vector<Ranking> rankings;
  std::unique_ptr<bool[]> positive(new bool[count]);
  for (int64_t k = 0; k < classes; ++k) {
    for (int64_t i = 0; i < count; ++i) {
      positive[i] = labels.const_data_ptr<int64_t>()[i] == k;
    }
    rankings.push_back(
        RankingOf(absl::MakeConstSpan(scores.const_data_ptr<float>() + k * count, count),
                  absl::MakeConstSpan(positive.get(), count)));
  }
  const auto mean = [&](double Ranking::*value) {
    double sum = 0;
    int known = 0;
    for (const Ranking& ranking : rankings) {
      if (std::isnan(ranking.*value)) continue;
      sum += ranking.*value;
      ++known;
    }
    return sum / known;
  };
  AddMeasure(report, "roc_auc", mean(&Ranking::roc_auc));
  AddMeasure(report, "average_precision", mean(&Ranking::average_precision));
  for (int64_t k = 0; k < classes; ++k) {
    AddMeasure(report, "roc_auc/" + classes_[k], rankings[k].roc_auc);
    AddMeasure(report, "average_precision/" + classes_[k], rankings[k].average_precision);
  }
}

v1::EvaluationReport ClassificationMetrics::Report(const std::string& split) const {
  v1::EvaluationReport report;
  report.set_task("classification");
  report.set_split(split);
  report.mutable_classes()->Assign(classes_.begin(), classes_.end());
  const at::Tensor confusion = confusion_.cpu();
  const int64_t* cells = confusion.const_data_ptr<int64_t>();
  report.mutable_confusion_matrix()->Assign(cells, cells + confusion.numel());
  FillFromConfusionMatrix(report);
  report.set_loss(loss_sum_.item<double>() / weight_sum_.item<double>());
  AddMeasures(report);
  return report;
}

ClassificationTask::ClassificationTask(std::vector<std::string> classes, ClassLoss loss,
                                       const c10::Device& device)
    : classes_(std::move(classes)), loss_(std::move(loss)), device_(device) {}

at::Tensor ClassificationTask::Loss(const at::Tensor& outputs, const Batch& batch) const {
  return loss_.Mean(outputs, batch.labels, batch.weights);
}

at::Tensor ClassificationTask::LossWeight(const Batch& batch) const {
  return loss_.SampleWeights(batch.labels, batch.weights).sum().to(at::kFloat);
}

at::Tensor ClassificationTask::SampleLosses(const at::Tensor& outputs, const Batch& batch) const {
  return at::cross_entropy_loss(outputs.to(at::kFloat), batch.labels, {}, at::Reduction::None);
}

at::Tensor ClassificationTask::TrainSum(const at::Tensor& outputs, const Batch& batch) const {
  return (outputs.argmax(1) == batch.labels).sum();
}

std::unique_ptr<SplitMetrics> ClassificationTask::Metrics() const {
  return std::make_unique<ClassificationMetrics>(classes_, loss_, device_);
}

at::Tensor ClassificationTask::Predictions(const at::Tensor& outputs) const {
  return outputs.to(at::kFloat).softmax(1);
}

at::Tensor ClassificationTask::OutputsFor(const at::Tensor& predictions,
                                          const at::Tensor& /*mean_outputs*/) const {
  return LogOfShares(predictions);
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
