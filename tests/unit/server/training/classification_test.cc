#include "server/training/tasks/classification.h"

#include <cmath>
#include <map>

#include "ATen/ATen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/training/tasks/ranking.h"

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
  ClassificationMetrics metrics({"a", "b", "c"}, {}, kCpu);
  metrics.Add(Predicting({0, 1, 1}, 3), {{}, Labels({0, 0, 1})});
  metrics.Add(Predicting({0}, 3), {{}, Labels({0})});  // A short last batch counts as much.
  const v1::EvaluationReport report = metrics.Report("test");
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
    ClassificationMetrics metrics({"a", "b", "c"}, {weights}, kCpu);
    metrics.Add(logits.narrow(0, 0, 3), {{}, labels.narrow(0, 0, 3)});
    metrics.Add(logits.narrow(0, 3, 1), {{}, labels.narrow(0, 3, 1)});
    EXPECT_NEAR(metrics.Report("x").loss(), ClassLoss{weights}.Mean(logits, labels).item<double>(),
                1e-6);
  }
}

// Weight 2 is a sample that comes twice, weight 0 one that is not there.
TEST(ClassificationTest, WeightsCountSamplesSoOften) {
  const at::Tensor logits = at::linspace(-1, 1, 12).view({4, 3});
  const at::Tensor labels = Labels({0, 2, 1, 1});
  const at::Tensor weights = at::tensor({2.0F, 1.0F, 0.0F, 1.0F});
  const at::Tensor rows = at::tensor({0, 0, 1, 3}, at::kLong);
  for (const at::Tensor& of_classes : {at::Tensor(), at::linspace(0.5, 2, 3)}) {
    const double twice = ClassLoss{of_classes}
                             .Mean(logits.index_select(0, rows), labels.index_select(0, rows))
                             .item<double>();
    EXPECT_NEAR(ClassLoss{of_classes}.Mean(logits, labels, weights).item<double>(), twice, 1e-6);
    ClassificationMetrics metrics({"a", "b", "c"}, {of_classes}, kCpu);
    metrics.Add(logits.narrow(0, 0, 3), {{}, labels.narrow(0, 0, 3), {}, weights.narrow(0, 0, 3)});
    metrics.Add(logits.narrow(0, 3, 1), {{}, labels.narrow(0, 3, 1), {}, weights.narrow(0, 3, 1)});
    const v1::EvaluationReport report = metrics.Report("x");
    EXPECT_NEAR(report.loss(), twice, 1e-6);
    EXPECT_EQ(report.count(), 4);
  }
}

TEST(ClassificationTest, SmoothedAndFocalLossesAreThoseOfTheirPapers) {
  const at::Tensor logits = at::tensor({2.0F, 0.0F, -1.0F}).view({1, 3});
  const at::Tensor labels = Labels({0});
  const double sum = std::exp(2.0) + 1 + std::exp(-1.0);
  const double log_p[] = {2 - std::log(sum), -std::log(sum), -1 - std::log(sum)};
  const double smoothed = -(0.9 + 0.1 / 3) * log_p[0] - 0.1 / 3 * (log_p[1] + log_p[2]);
  EXPECT_NEAR((ClassLoss{{}, 0.1, 0}.Mean(logits, labels).item<double>()), smoothed, 1e-6);
  const double focal = std::pow(1 - std::exp(log_p[0]), 2) * -log_p[0];
  EXPECT_NEAR((ClassLoss{{}, 0, 2}.Mean(logits, labels).item<double>()), focal, 1e-6);
  // A sample that is as good as certain has no slope that is not finite.
  const at::Tensor certain = at::tensor({200.0F, 0.0F}).view({1, 2}).requires_grad_(true);
  ClassLoss{{}, 0, 0.5}.Mean(certain, labels).backward();
  EXPECT_TRUE(certain.grad().isfinite().all().item<bool>());
}

TEST(ClassificationTest, RankingsCountTiesHalf) {
  const std::vector<float> scores = {0.9F, 0.8F, 0.8F, 0.4F, 0.3F, 0.1F};
  const bool positive[] = {true, true, false, false, true, false};
  const Ranking ranking = RankingOf(scores, positive);
  // Pairs won: 3 + 2.5 + 1 of 9. Steps of recall: 1/3 at 1, 1/3 at 2/3, 1/3 at 3/5.
  EXPECT_DOUBLE_EQ(ranking.roc_auc, 6.5 / 9);
  EXPECT_DOUBLE_EQ(ranking.average_precision, (1 + 2.0 / 3 + 3.0 / 5) / 3);
  EXPECT_TRUE(std::isnan(RankingOf({0.5F}, {true}).roc_auc));
}

TEST(ClassificationTest, MeasuresOfClassesAndOfCalibration) {
  ClassificationMetrics metrics({"a", "b", "c"}, {}, kCpu);
  metrics.Add(Predicting({0, 1, 1}, 3), {{}, Labels({0, 0, 1})});
  metrics.Add(Predicting({0}, 3), {{}, Labels({0})});
  std::map<std::string, double> measures;
  const v1::EvaluationReport report = metrics.Report("test");
  for (const auto& measure : report.measures()) measures[measure.name()] = measure.value();
  EXPECT_DOUBLE_EQ(measures["precision/a"], 1);
  EXPECT_DOUBLE_EQ(measures["precision/b"], 0.5);
  EXPECT_TRUE(std::isnan(measures["precision/c"]));
  EXPECT_DOUBLE_EQ(measures["f1/a"], 0.8);
  EXPECT_DOUBLE_EQ(measures["f1/b"], 2.0 / 3);
  EXPECT_DOUBLE_EQ(measures["macro_f1"], (0.8 + 2.0 / 3) / 2);  // "c" has no sample.
  // Of a against the rest: 0.58 and 0.58, 0.21 for the positives, 0.21 for the negative.
  EXPECT_DOUBLE_EQ(measures["roc_auc/a"], 2.5 / 3);
  EXPECT_TRUE(std::isnan(measures["roc_auc/c"]));
  // Each is sure to e / (e + 2), and 3 of 4 are right.
  EXPECT_NEAR(measures["ece"], 0.75 - std::exp(1.0) / (std::exp(1.0) + 2), 1e-6);
}

TEST(ClassificationTest, BalancedWeightsMakeClassesCountTheSame) {
  EXPECT_THAT(ClassWeights({10, 30, 0}, 1.0), ElementsAre(40.0 / 30.0, 40.0 / 90.0, 0.0));
}

TEST(ClassificationTest, SquareRootsOfWeightsKeepTheirOrder) {
  EXPECT_THAT(ClassWeights({10, 30, 0}, 0.5),
              ElementsAre(std::sqrt(40.0 / 30.0), std::sqrt(40.0 / 90.0), 0.0));
}

}  // namespace
}  // namespace skytrain::training
