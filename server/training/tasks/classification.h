#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/types/span.h"
#include "c10/core/Device.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// N / (K * count of the class): weights that make every class count the same. 0 for an empty class.
std::vector<double> BalancedClassWeights(absl::Span<const int64_t> class_counts);

// Mean softmax cross entropy of `logits` [N, K] and `labels` int64 [N]; a weighted mean where
// `class_weights` [K] is defined.
at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels,
                        const at::Tensor& class_weights);

// Collects a pass over a split on the device; nothing waits for it before Report. Not thread-safe.
class ClassificationMetrics {
 public:
  ClassificationMetrics(int64_t classes, at::Tensor class_weights, const c10::Device& device);

  void Add(const at::Tensor& logits, const at::Tensor& labels);
  v1::EvaluationReport Report(const std::string& split,
                              const std::vector<std::string>& class_names) const;

 private:
  const int64_t classes_;
  const at::Tensor class_weights_;
  at::Tensor confusion_;  // int64 [K * K]
  at::Tensor loss_sum_;   // float64 scalar
};

// Fills accuracy, balanced accuracy and recalls of `report` from its confusion matrix.
void FillFromConfusionMatrix(v1::EvaluationReport& report);

}  // namespace skytrain::training
