#include "server/training/tasks/classification.h"

#include <cmath>

#include "ATen/ATen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skytrain::training {
namespace {

using ::testing::ElementsAre;

const c10::Device kCpu(c10::kCPU);

at::Tensor Labels(std::vector<int64_t> labels) {
  return at::tensor(at::ArrayRef<int64_t>(labels)).clone();
}

// Logits that predict class `predictions[i]` for sample i.
at::Tensor Predicting(const std::vector<int64_t>& predictions, int64_t classes) {
  at::Tensor logits = at::zeros({static_cast<int64_t>(predictions.size()), classes});
  for (size_t i = 0; i < predictions.size(); ++i) logits[i][predictions[i]] = 1.0;
  return logits;
}

TEST(ClassificationTest, ReportCountsByLabelAndPrediction) {
  ClassificationMetrics metrics(3, at::Tensor(), kCpu);
  metrics.Add(Predicting({0, 1, 1}, 3), Labels({0, 0, 1}));
  metrics.Add(Predicting({0}, 3), Labels({0}));  // A short last batch counts as much.
  const v1::EvaluationReport report = metrics.Report("test", {"a", "b", "c"});
  EXPECT_EQ(report.split(), "test");
  EXPECT_EQ(report.count(), 4);
  EXPECT_THAT(report.confusion_matrix(), ElementsAre(2, 1, 0, 0, 1, 0, 0, 0, 0));
  EXPECT_DOUBLE_EQ(report.accuracy(), 0.75);
  EXPECT_DOUBLE_EQ(report.recall(0), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(report.recall(1), 1.0);
  EXPECT_TRUE(std::isnan(report.recall(2)));  // No sample: not in the mean below.
  EXPECT_DOUBLE_EQ(report.balanced_accuracy(), (2.0 / 3.0 + 1.0) / 2.0);
  const double hit = std::log(std::exp(1.0) + 2.0) - 1.0, miss = std::log(std::exp(1.0) + 2.0);
  EXPECT_NEAR(report.loss(), (3 * hit + miss) / 4, 1e-6);
}

TEST(ClassificationTest, LossOfASplitIsThatOfOneBatch) {
  const at::Tensor logits = at::linspace(-1, 1, 12).view({4, 3});
  const at::Tensor labels = Labels({0, 2, 1, 1});
  for (const at::Tensor& weights : {at::Tensor(), at::linspace(0.5, 2, 3)}) {
    ClassificationMetrics metrics(3, weights, kCpu);
    metrics.Add(logits.narrow(0, 0, 3), labels.narrow(0, 0, 3));
    metrics.Add(logits.narrow(0, 3, 1), labels.narrow(0, 3, 1));
    EXPECT_NEAR(metrics.Report("x", {"a", "b", "c"}).loss(),
                CrossEntropy(logits, labels, weights).item<double>(), 1e-6);
  }
}

TEST(ClassificationTest, BalancedWeightsMakeClassesCountTheSame) {
  EXPECT_THAT(BalancedClassWeights({10, 30, 0}), ElementsAre(40.0 / 30.0, 40.0 / 90.0, 0.0));
}

}  // namespace
}  // namespace skytrain::training
