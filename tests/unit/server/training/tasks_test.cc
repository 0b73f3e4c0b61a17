// The tasks besides classification.
#include <cmath>
#include <map>

#include "ATen/ATen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "run_fixture.h"
#include "server/spec/task_plan.h"
#include "server/training/tasks/vote_counts.h"
#include "server/training/tasks/vote_fractions.h"

namespace skytrain::training {
namespace {

const c10::Device kCpu(c10::kCPU);

at::Tensor Rows(std::vector<float> values, int64_t columns) {
  const auto rows = static_cast<int64_t>(values.size()) / columns;
  return at::tensor(at::ArrayRef<float>(values)).view({rows, columns}).clone();
}

Batch BatchOf(at::Tensor targets, at::Tensor weights = {}) {
  return {{}, at::zeros({targets.size(0)}, at::kLong), std::move(targets), std::move(weights)};
}

std::map<std::string, double> MeasuresOf(const v1::EvaluationReport& report) {
  std::map<std::string, double> measures;
  for (const auto& measure : report.measures()) measures[measure.name()] = measure.value();
  return measures;
}

spec::TaskPlan VotePlan(const v1::Task& task) {
  spec::Violations violations;
  spec::TaskPlan plan = spec::PlanTask(task, violations);
  EXPECT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
  return plan;
}

spec::TaskPlan Kaggle37() {
  v1::Task task;
  task.mutable_vote_fractions()->set_builtin_tree("kaggle37");
  return VotePlan(task);
}

spec::TaskPlan RegressionPlan(bool huber) {
  spec::TaskPlan plan;
  plan.kind = spec::TaskPlan::Kind::kRegression;
  plan.targets.values = {"z", "mass"};
  plan.huber = huber;
  return plan;
}

TEST(VoteFractionsTest, EveryPredictionObeysTheTreeOfTheGalaxyChallenge) {
  const VoteFractionsTask task(Kaggle37(), kCpu);
  const at::Tensor logits = at::linspace(-30, 30, 64 * 37).view({37, 64}).t().sin() * 10;
  const at::Tensor predicted = task.Predictions(logits);
  ASSERT_EQ(predicted.sizes(), (std::vector<int64_t>{64, 37}));
  std::map<std::string, at::Tensor> column;
  const std::vector<std::string> names = task.prediction_names();
  for (size_t c = 0; c < names.size(); ++c) {
    column[names[c].substr(5)] = predicted.select(1, static_cast<int64_t>(c)).to(at::kDouble);
  }
  const auto sum_of = [&](const std::string& question) {
    at::Tensor sum = at::zeros({64}, at::kDouble);
    for (const auto& [name, values] : column) {
      if (name.substr(0, name.find('.')) == question) sum += values;
    }
    return sum;
  };
  const auto expect_same = [&](const std::string& question, const at::Tensor& asked) {
    EXPECT_LT((sum_of(question) - asked).abs().max().item<double>(), 1e-5) << question;
  };
  const at::Tensor one = at::ones({64}, at::kDouble);
  // As the README of kaggle-challenge-mini found them in the published table.
  expect_same("1", one);
  expect_same("2", column["1.2"]);
  expect_same("3", column["2.2"]);
  expect_same("4", column["2.2"]);
  expect_same("5", column["2.2"]);
  expect_same("6", one);
  expect_same("7", column["1.1"]);
  expect_same("8", column["6.1"]);
  expect_same("9", column["2.1"]);
  expect_same("10", column["4.1"]);
  expect_same("11", column["4.1"]);
  EXPECT_TRUE((predicted >= 0).all().item<bool>());
}

TEST(VoteFractionsTest, LossesAndRmseAreOverAllColumns) {
  v1::Task tree;
  auto* kind = tree.mutable_vote_fractions()->mutable_tree()->add_questions();
  kind->set_name("kind");
  kind->add_answers("round");
  kind->add_answers("spiral");
  auto* arms = tree.mutable_vote_fractions()->mutable_tree()->add_questions();
  arms->set_name("arms");
  arms->add_answers("one");
  arms->add_answers("two");
  arms->set_after("spiral");
  const VoteFractionsTask task(VotePlan(tree), kCpu);
  const float ln3 = std::log(3.0F);
  const at::Tensor logits = Rows({0, ln3, ln3, 0}, 4);  // 0.25, 0.75; 0.75 * (0.75, 0.25)
  EXPECT_LT((task.Predictions(logits) - Rows({0.25F, 0.75F, 0.5625F, 0.1875F}, 4))
                .abs()
                .max()
                .item<double>(),
            1e-6);
  const Batch batch = BatchOf(Rows({0.5F, 0.5F, 0.25F, 0.25F}, 4));
  const double squares = (0.0625 + 0.0625 + 0.3125 * 0.3125 + 0.0625 * 0.0625) / 4;
  EXPECT_NEAR(task.Loss(logits, batch).item<double>(), squares, 1e-6);
  const auto metrics = task.Metrics();
  metrics->Add(logits, batch);
  const v1::EvaluationReport report = metrics->Report("test");
  EXPECT_EQ(report.task(), "vote_fractions");
  EXPECT_EQ(report.count(), 1);
  EXPECT_NEAR(MeasuresOf(report)["rmse"], std::sqrt(squares), 1e-6);
  EXPECT_NEAR(MeasuresOf(report)["rmse/one"], 0.3125, 1e-6);
  tree.mutable_vote_fractions()->set_loss(v1::VoteFractions::LOSS_CROSS_ENTROPY);
  const VoteFractionsTask entropy(VotePlan(tree), kCpu);
  const double expected =
      -0.5 * (std::log(0.25) + std::log(0.75)) - 0.25 * (std::log(0.75) + std::log(0.25));
  EXPECT_NEAR(entropy.Loss(logits, batch).item<double>(), expected, 1e-6);
}

TEST(VoteCountsTest, LossEqualsTheWorkedValues) {
  EXPECT_NEAR(DirichletMultinomialLoss(Rows({1, 1}, 2), Rows({1, 0}, 2)).item<double>(), 0.693147,
              1e-6);
  EXPECT_NEAR(DirichletMultinomialLoss(Rows({2, 3}, 2), Rows({4, 1}, 2)).item<double>(), 2.128232,
              2e-6);
}

TEST(VoteCountsTest, QuestionsThatNobodyWasAskedAddNothing) {
  v1::Task tree;
  tree.mutable_vote_counts()->set_builtin_tree("gz2");
  const VoteCountsTask task(VotePlan(tree), kCpu);
  const int64_t columns = task.outputs();
  const at::Tensor outputs = at::linspace(-3, 3, columns).view({1, columns}).clone();
  outputs.requires_grad_(true);
  at::Tensor counts = at::zeros({1, columns});
  counts[0][0] = 30;  // smooth
  counts[0][1] = 10;  // featured-or-disk
  const Batch batch = BatchOf(counts);
  const at::Tensor loss = task.Loss(outputs, batch);
  const at::Tensor concentrations = outputs.sigmoid() * 100 + 1;
  EXPECT_NEAR(loss.item<double>(),
              DirichletMultinomialLoss(concentrations.narrow(1, 0, 3), counts.narrow(1, 0, 3))
                  .item<double>(),
              1e-4);
  loss.backward();
  EXPECT_TRUE(outputs.grad().isfinite().all().item<bool>());
  EXPECT_GT(outputs.grad().narrow(1, 0, 3).abs().min().item<double>(), 0);
  EXPECT_LT(outputs.grad().narrow(1, 3, columns - 3).abs().max().item<double>(), 1e-5);

  const auto metrics = task.Metrics();
  metrics->Add(outputs.detach(), batch);
  auto measures = MeasuresOf(metrics->Report("val"));
  EXPECT_NEAR(measures["loss/bar"], 0, 1e-5);
  EXPECT_TRUE(std::isnan(measures["rmse/bar"]));
  const at::Tensor expected = task.Predictions(outputs.detach());
  EXPECT_NEAR(expected.narrow(1, 0, 3).sum().item<double>(), 1, 1e-6);
  double squares = 0;
  const double truth[] = {0.75, 0.25, 0};
  for (int a = 0; a < 3; ++a) squares += std::pow(expected[0][a].item<double>() - truth[a], 2) / 3;
  EXPECT_NEAR(measures["rmse/smooth-or-featured"], std::sqrt(squares), 1e-6);
  EXPECT_NEAR(measures["rmse"], std::sqrt(squares), 1e-6);
}

TEST(RegressionTest, LossIsInDeviationsAndMetricsInUnits) {
  TaskFacts facts;
  facts.target_mean = {0.5, 10};
  facts.target_deviation = {0.25, 2};
  const auto task = MakeTask(RegressionPlan(false), facts, kCpu);
  ASSERT_TRUE(task.ok()) << task.status();
  const at::Tensor outputs = Rows({0, 1, 2, 0}, 2);  // (0.5, 12), (1, 10)
  const Batch batch = BatchOf(Rows({0.75F, 12, 0.5F, 14}, 2));
  EXPECT_NEAR((*task)->Loss(outputs, batch).item<double>(), (1 + 0 + 4 + 4) / 4.0, 1e-6);
  const auto metrics = (*task)->Metrics();
  metrics->Add(outputs.narrow(0, 0, 1), BatchOf(batch.targets.narrow(0, 0, 1)));
  metrics->Add(outputs.narrow(0, 1, 1), BatchOf(batch.targets.narrow(0, 1, 1)));
  const v1::EvaluationReport report = metrics->Report("test");
  auto measures = MeasuresOf(report);
  EXPECT_EQ(report.count(), 2);
  EXPECT_NEAR(report.loss(), 9 / 4.0, 1e-6);
  EXPECT_NEAR(measures["rmse/z"], std::sqrt((0.0625 + 0.25) / 2), 1e-6);
  EXPECT_NEAR(measures["rmse/mass"], std::sqrt(16 / 2.0), 1e-6);
  EXPECT_NEAR(measures["mae/mass"], 2, 1e-6);
  EXPECT_NEAR(measures["r2/mass"], 1 - 16 / 2.0, 1e-6);  // Variance of 12 and 14: 2 in sum.
  EXPECT_NEAR(measures["rmse"], std::sqrt((0.3125 + 16) / 4), 1e-6);
  const auto huber = MakeTask(RegressionPlan(true), facts, kCpu);
  EXPECT_NEAR((*huber)->Loss(outputs, batch).item<double>(), (0.5 + 0 + 1.5 + 1.5) / 4, 1e-6);
  // A sample of weight 0 is not there.
  EXPECT_NEAR(
      (*task)->Loss(outputs, BatchOf(batch.targets, at::tensor({1.0F, 0.0F}))).item<double>(), 0.5,
      1e-6);
}

TEST(MultiLabelTest, LossAndAccuracyAreOverTheQuestions) {
  spec::TaskPlan plan;
  plan.kind = spec::TaskPlan::Kind::kMultiLabel;
  plan.targets.values = {"bar", "ring"};
  const auto task = MakeTask(plan, {}, kCpu);
  const at::Tensor outputs = Rows({2, -1, 0.5F, 3}, 2);
  const Batch batch = BatchOf(Rows({1, 0, 0, 0.75F}, 2));
  const auto entropy = [](double x, double t) { return std::log1p(std::exp(x)) - t * x; };
  EXPECT_NEAR((*task)->Loss(outputs, batch).item<double>(),
              (entropy(2, 1) + entropy(-1, 0) + entropy(0.5, 0) + entropy(3, 0.75)) / 4, 1e-6);
  const auto metrics = (*task)->Metrics();
  metrics->Add(outputs, batch);
  auto measures = MeasuresOf(metrics->Report("test"));
  EXPECT_NEAR(measures["accuracy"], 0.75, 1e-9);
  EXPECT_NEAR(measures["accuracy/bar"], 0.5, 1e-9);
  EXPECT_NEAR(measures["accuracy/ring"], 1, 1e-9);
}

// A line with noise: from the table to the card's numbers.
TEST(TasksTest, TrainerLearnsARegressionAndSelectsByItsRmse) {
  const TempDir dir;
  std::vector<float> features, targets;
  for (int i = 0; i < 240; ++i) {
    const float x = static_cast<float>(i % 48) / 48;
    features.push_back(x);
    targets.push_back(100 + 5 * x);
    targets.push_back(-0.001F * x);
  }
  MemoryDataset set = MemoryDataset::Table(features, 1, std::vector<int>(240, 0), 1);
  set.SetTargets({"z", "mass"}, targets);
  spec::TrainingPlan plan = SmallPlan();
  plan.model.family = spec::ModelPlan::Family::kMlp;
  plan.view.size = 0;
  plan.epochs = 30;
  plan.task = RegressionPlan(false);
  plan.select_metric = "val/rmse";
  plan.select_max = false;
  const Ran ran = RunTraining(FileSystem::Posix(), dir.File("c"), plan, set);
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  ASSERT_EQ(ran.outcome.end, v1::COMPLETED) << ran.outcome.message;
  auto measures = MeasuresOf(ran.outcome.reports.back());
  EXPECT_GT(measures["r2"], 0.99);
  EXPECT_LT(measures["rmse/z"], 0.2);
  EXPECT_LT(measures["rmse/mass"], 1e-4);
  EXPECT_EQ(ran.metrics.at("val/rmse").size(), 30);
  EXPECT_EQ(ran.metrics.at("train/rmse").size(), 30);
  EXPECT_EQ(ran.metrics.count("val/accuracy"), 0);
}

TEST(TasksTest, TrainerRefusesADataSetWithOtherTargets) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.task = RegressionPlan(false);
  const Ran ran = RunTraining(FileSystem::Posix(), dir.File("c"), plan, set);
  EXPECT_THAT(std::string(ran.status.message()), ::testing::HasSubstr("0 columns of targets"));
}

}  // namespace
}  // namespace skytrain::training
