#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/types/span.h"
#include "c10/core/Device.h"
#include "server/training/tasks/task.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// (N / (K * count of the class)) ^ power: with power 1, weights that make every class count the
// same. 0 for an empty class.
std::vector<double> ClassWeights(absl::Span<const int64_t> class_counts, double power);

// Softmax cross entropy of logits [N, K] and labels int64 [N].
struct ClassLoss {
  at::Tensor class_weights = {};  // float32 [K]; undefined: none.
  // The label has 1 - s + s / K, each other class s / K (Szegedy et al. 2015, arXiv:1512.00567).
  double label_smoothing = 0.0;
  // Times (1 - p)^gamma, p the label's probability (Lin et al. 2017, arXiv:1708.02002).
  double focal_gamma = 0.0;

  // Of each sample, times its class's weight: float32 [N].
  at::Tensor OfSamples(const at::Tensor& logits, const at::Tensor& labels) const;
  // Weighted mean, by classes and, where they are defined, by the samples' `weights` [N].
  at::Tensor Mean(const at::Tensor& logits, const at::Tensor& labels,
                  const at::Tensor& weights = {}) const;
  // What each sample counts in that mean, float64 [N].
  at::Tensor SampleWeights(const at::Tensor& labels, const at::Tensor& weights) const;
};

// Besides accuracy, recalls and confusion matrix these measures: "macro_f1", the mean of the
// classes' F1; "ece", the expected calibration error of the predicted class's probability in 15
// bins of equal width (Guo et al. 2017, arXiv:1706.04599); "roc_auc" and "average_precision", means
// over the classes of each against the rest; and of each class "precision/CLASS", "f1/CLASS",
// "roc_auc/CLASS", "average_precision/CLASS". Rankings need all probabilities at once, and are left
// out where these are more than kMostScores.
class ClassificationMetrics final : public SplitMetrics {
 public:
  ClassificationMetrics(std::vector<std::string> classes, ClassLoss loss,
                        const c10::Device& device);

  void Add(const at::Tensor& outputs, const Batch& batch) override;
  v1::EvaluationReport Report(const std::string& split) const override;

 private:
  static constexpr int64_t kMostScores = int64_t{1} << 25;

  void AddCalibration(const at::Tensor& probabilities, const at::Tensor& labels);
  void AddMeasures(v1::EvaluationReport& report) const;

  const std::vector<std::string> classes_;
  const ClassLoss loss_;
  at::Tensor confusion_;              // int64 [K * K]
  at::Tensor loss_sum_, weight_sum_;  // float64 scalars
  at::Tensor calibration_;            // float64 [15, 3]: samples, sum of probabilities, hits.
  int64_t scores_kept_ = 0;
  std::vector<at::Tensor> probabilities_, labels_;  // Of each batch, until they are too many.
};

// One of K classes. Outputs are logits [N, K].
class ClassificationTask final : public Task {
 public:
  ClassificationTask(std::vector<std::string> classes, ClassLoss loss, const c10::Device& device);

  std::string name() const override { return "classification"; }
  int64_t outputs() const override { return static_cast<int64_t>(classes_.size()); }
  at::Tensor Loss(const at::Tensor& outputs, const Batch& batch) const override;
  at::Tensor LossWeight(const Batch& batch) const override;
  at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const override;
  std::string train_metric() const override { return "accuracy"; }
  at::Tensor TrainSum(const at::Tensor& outputs, const Batch& batch) const override;
  std::unique_ptr<SplitMetrics> Metrics() const override;
  at::Tensor Predictions(const at::Tensor& outputs) const override;
  at::Tensor OutputsFor(const at::Tensor& predictions,
                        const at::Tensor& mean_outputs) const override;
  std::vector<std::string> prediction_names() const override { return classes_; }

 private:
  const std::vector<std::string> classes_;
  const ClassLoss loss_;
  const c10::Device device_;
};

// Fills accuracy, balanced accuracy and recalls of `report` from its confusion matrix.
void FillFromConfusionMatrix(v1::EvaluationReport& report);

}  // namespace skytrain::training
