#include "server/training/loop/predictor.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"
#include "server/spec/task_plan.h"
#include "server/training/input/batch_stream.h"
#include "server/training/models/factory.h"

namespace skytrain::training {
namespace {

const c10::Device kCpu(c10::kCPU);
const Normalisation kPlain{{0, 0, 0}, {1, 1, 1}};

// A network with weights that say something, in evaluation mode.
std::unique_ptr<Model> Network(uint64_t seed, double dropout = 0.0) {
  spec::ModelPlan plan;
  plan.family = spec::ModelPlan::Family::kWideResnet;
  plan.depth = 10;
  plan.widen = 1;
  plan.dropout = dropout;
  auto model = MakeModel(plan, 3, 3 * 16 * 16, seed);
  EXPECT_TRUE(model.ok()) << model.status();
  (*model)->Prepare(kCpu);
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : (*model)->parameters()) {
    if (parameter.name == "fc.weight") parameter.tensor.mul_(5);
  }
  return *std::move(model);
}

std::unique_ptr<Task> Classes() {
  TaskFacts facts;
  facts.classes = {"a", "b", "c"};
  auto task = MakeTask({}, facts, kCpu);
  EXPECT_TRUE(task.ok()) << task.status();
  return *std::move(task);
}

at::Tensor Images(int64_t count) {
  return at::linspace(0, 1, count * 3 * 16 * 16)
      .mul(997)
      .sin()
      .view({count, 3, 16, 16})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor Plainly(Model& model, const Task& task, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  model.SetTraining(false);
  return task.Predictions(model.Forward(images));
}

TEST(PredictorTest, OnePassIsWhatTheModelSays) {
  const auto task = Classes();
  const auto model = Network(1);
  Predictor predictor({{*model, *task, kPlain}}, {});
  const Predicted predicted = predictor.Predict(Images(4), 0);
  EXPECT_EQ(predictor.passes(), 1);
  EXPECT_TRUE(predicted.predictions.equal(Plainly(*model, *task, Images(4))));
  EXPECT_FALSE(predicted.spread.defined());
}

TEST(PredictorTest, DihedralIsTheMeanOfEightExplicitPasses) {
  const auto task = Classes();
  const auto model = Network(1);
  Predictor predictor({{*model, *task, kPlain}}, {.dihedral = true});
  const Predicted predicted = predictor.Predict(Images(4), 0);
  std::vector<at::Tensor> passes;
  for (const bool flip : {false, true}) {
    for (int k = 0; k < 4; ++k) {
      const at::Tensor mirrored = flip ? Images(4).flip({3}) : Images(4);
      passes.push_back(Plainly(*model, *task, mirrored.rot90(k, {2, 3})));
    }
  }
  const at::Tensor all = at::stack(passes);
  EXPECT_TRUE(predicted.predictions.allclose(all.mean(0), 1e-5, 1e-6));
  EXPECT_TRUE(predicted.spread.allclose(all.std(0, /*unbiased=*/false), 1e-4, 1e-6));
  EXPECT_GT(predicted.spread.min().item<float>(), 0);
  // The answer does not depend on how the image lay.
  EXPECT_TRUE(predictor.Predict(Images(4).rot90(1, {2, 3}), 0)
                  .predictions.allclose(predicted.predictions, 1e-5, 1e-6));
}

// Pixels are turned as the augmentation turns them, which has other code.
TEST(PredictorTest, TurnsAreThoseOfTheAugmentation) {
  const int size = 5;
  std::vector<uint8_t> pixels(3 * size * size);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 7 % 251);
  const ImageCanvas canvas{pixels.data(), size, size, size};
  const std::vector<int64_t> samples = {0};
  const auto gather = [&](Turn turn) {
    at::Tensor out = at::empty({1, size, size, 3});
    GatherImages(canvas, samples, {&turn, 1}, MakePixelScale(kPlain),
                 out.mutable_data_ptr<float>());
    return out.permute({0, 3, 1, 2});
  };
  for (Turn turn = 0; turn < 8; ++turn) {
    EXPECT_TRUE(Turned(gather(0), turn).equal(gather(turn))) << int{turn};
  }
}

TEST(PredictorTest, ClassesThatAMirrorImageSwapsAreSwappedBack) {
  const auto task = Classes();
  const auto model = Network(1);
  PredictingModel one{*model, *task, kPlain};
  one.mirrored_classes = {1, 0, 2};
  Predictor predictor({one}, {.dihedral = true});
  const Predicted upright = predictor.Predict(Images(3), 0);
  const Predicted mirrored = predictor.Predict(Images(3).flip({3}), 0);
  EXPECT_TRUE(
      mirrored.predictions.select(1, 0).allclose(upright.predictions.select(1, 1), 1e-5, 1e-6));
  EXPECT_FALSE(upright.predictions.select(1, 0).allclose(upright.predictions.select(1, 1)));
}

TEST(PredictorTest, EnsembleIsTheMeanAndEachModelHasItsNormalisation) {
  const auto task = Classes();
  const auto a = Network(1), b = Network(2);
  const Normalisation other{{0.2, 0.1, 0.3}, {0.5, 2.0, 0.25}};
  Predictor predictor({{*a, *task, kPlain}, {*b, *task, other}}, {});
  const Predicted predicted = predictor.Predict(Images(4), 0);
  const at::Tensor mean = at::tensor({0.2F, 0.1F, 0.3F}).view({1, 3, 1, 1});
  const at::Tensor deviation = at::tensor({0.5F, 2.0F, 0.25F}).view({1, 3, 1, 1});
  const at::Tensor of_a = Plainly(*a, *task, Images(4));
  const at::Tensor of_b = Plainly(*b, *task, (Images(4) - mean) / deviation);
  EXPECT_TRUE(predicted.predictions.allclose((of_a + of_b) / 2, 1e-4, 1e-5));
  EXPECT_TRUE(predicted.spread.allclose((of_a - of_b).abs() / 2, 1e-3, 1e-5));
  // What metrics are made of says the same.
  EXPECT_TRUE(task->Predictions(predicted.outputs).allclose(predicted.predictions, 1e-5, 1e-6));
}

TEST(PredictorTest, EnsembleOfAModelWithItselfIsItselfToTheBit) {
  const auto task = Classes();
  const auto a = Network(1), b = Network(1);
  Predictor predictor({{*a, *task, kPlain}, {*b, *task, kPlain}, {*a, *task, kPlain}}, {});
  const Predicted predicted = predictor.Predict(Images(4), 0);
  EXPECT_TRUE(predicted.predictions.equal(Plainly(*a, *task, Images(4))));
  EXPECT_EQ(predicted.spread.abs().max().item<float>(), 0);
}

TEST(PredictorTest, DropoutSpreadsIsRepeatableAndDoesNotDependOnTheBatch) {
  const auto task = Classes();
  const auto model = Network(1, /*dropout=*/0.3);
  const auto state = model->State();
  const at::Tensor running_mean = state.back().tensor.clone();
  Predictor predictor({{*model, *task, kPlain, 7}}, {.dropout_samples = 6});
  const Predicted first = predictor.Predict(Images(6), 0);
  EXPECT_EQ(predictor.passes(), 6);
  EXPECT_GT(first.spread.max().item<float>(), 1e-4);
  EXPECT_TRUE(predictor.Predict(Images(6), 0).predictions.equal(first.predictions));
  // The same samples in two parts.
  const Predicted second = predictor.Predict(Images(6).narrow(0, 2, 4), 2);
  EXPECT_TRUE(second.predictions.allclose(first.predictions.narrow(0, 2, 4), 1e-5, 1e-6));
  EXPECT_FALSE(predictor.Predict(Images(6), 6).predictions.allclose(first.predictions, 1e-4, 1e-5));
  Predictor other({{*model, *task, kPlain, 8}}, {.dropout_samples = 6});
  EXPECT_FALSE(other.Predict(Images(6), 0).predictions.allclose(first.predictions, 1e-4, 1e-5));
  // Norms are as in evaluation, and nothing is left switched on.
  EXPECT_TRUE(model->State().back().tensor.equal(running_mean));
  EXPECT_FALSE(model->training());
  Predictor plain({{*model, *task, kPlain, 7}}, {});
  EXPECT_TRUE(plain.Predict(Images(6), 0).predictions.equal(Plainly(*model, *task, Images(6))));
}

// What is averaged are predictions; SplitMetrics takes outputs.
TEST(PredictorTest, EveryTaskFindsOutputsForAveragedPredictions) {
  v1::Task regression, labels, fractions, counts;
  regression.mutable_regression()->add_targets("z");
  regression.mutable_regression()->add_targets("mass");
  labels.mutable_multi_label()->add_targets("ring");
  labels.mutable_multi_label()->add_targets("bar");
  fractions.mutable_vote_fractions()->set_builtin_tree("kaggle37");
  counts.mutable_vote_counts()->set_builtin_tree("gz2");
  v1::Task classes;
  classes.mutable_classification();
  for (const v1::Task& asked : {classes, regression, labels, fractions, counts}) {
    spec::Violations violations;
    const spec::TaskPlan plan = spec::PlanTask(asked, violations);
    ASSERT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
    TaskFacts facts;
    facts.classes = {"a", "b", "c"};
    facts.target_mean = {0.5, 100};
    facts.target_deviation = {0.1, 30};
    const auto task = MakeTask(plan, facts, kCpu);
    ASSERT_TRUE(task.ok()) << task.status();
    const int64_t outputs = (*task)->outputs();
    const at::Tensor one = at::linspace(0, 40, 32 * outputs).view({32, outputs}).sin() * 8;
    const at::Tensor two = at::linspace(9, 70, 32 * outputs).view({32, outputs}).cos() * 6;
    const at::Tensor mean = ((*task)->Predictions(one) + (*task)->Predictions(two)) / 2;
    const at::Tensor back = (*task)->OutputsFor(mean, (one + two) / 2);
    EXPECT_TRUE(back.isfinite().all().item<bool>()) << (*task)->name();
    EXPECT_TRUE((*task)->Predictions(back).allclose(mean, 1e-3, 2e-5))
        << (*task)->name() << " off by "
        << ((*task)->Predictions(back) - mean).abs().max().item<float>();
  }
}

}  // namespace
}  // namespace skytrain::training
