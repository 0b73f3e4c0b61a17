#include "server/training/optim/sharpness.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "run_fixture.h"
#include "server/training/loop/training_step.h"
#include "server/training/models/convolution.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

FileSystem& Posix() { return FileSystem::Posix(); }

class OneConvolution final : public Model {
 public:
  OneConvolution() {
    weight = AddParameter("w", at::arange(1, 17, at::kFloat).view({2, 2, 2, 2}) / 7.0, true);
    bias = AddParameter("b", at::full({2}, 0.3), false);
    Prepare(c10::Device(c10::kCPU));
    weight.mutable_grad() = at::full_like(weight, 3.0).set_requires_grad(false);
    bias.mutable_grad() = at::full({2}, -4.0);
  }
  at::Tensor Features(const at::Tensor& input) override { return input; }
  at::Tensor Logits(const at::Tensor& features) override { return features; }
  at::Tensor weight, bias;
};

spec::OptimizerPlan SgdPlan() {
  spec::OptimizerPlan plan;
  plan.kind = spec::OptimizerPlan::Kind::kSgd;
  plan.weight_decay = 0.0;
  return plan;
}

TEST(SharpnessTest, ClimbsAlongTheGradientByRhoAndReturnsBitForBit) {
  OneConvolution model;
  const Optimizer optimizer(SgdPlan(), model);
  const at::Tensor start = model.weight.detach().clone();
  SharpnessAware sharpness(0.05, /*adaptive=*/false, optimizer);
  sharpness.Climb();
  const double norm = std::sqrt(16 * 9.0 + 2 * 16.0);
  const at::Tensor moved = model.weight.detach() - start;
  EXPECT_TRUE(moved.allclose(at::full_like(moved, 0.05 * 3.0 / norm), 1e-3, 1e-6));
  EXPECT_NEAR(model.bias[1].item<double>(), 0.3 - 0.05 * 4.0 / norm, 1e-6);
  sharpness.Return();
  EXPECT_TRUE(model.weight.detach().equal(start));
  EXPECT_TRUE(model.bias.detach().equal(at::full({2}, 0.3)));
}

TEST(SharpnessTest, AdaptiveMovesLargeWeightsFarther) {
  OneConvolution model;
  const Optimizer optimizer(SgdPlan(), model);
  SharpnessAware sharpness(0.5, /*adaptive=*/true, optimizer);
  double squares = 2 * std::pow(4.0 * (0.3 + 0.01), 2);
  for (int i = 1; i <= 16; ++i) squares += std::pow(3.0 * (i / 7.0 + 0.01), 2);
  sharpness.Climb();
  const at::Tensor moved = model.weight.detach().flatten();
  for (const int i : {1, 16}) {
    const double size = i / 7.0 + 0.01;
    EXPECT_NEAR(moved[i - 1].item<double>() - i / 7.0, 0.5 * size * size * 3.0 / std::sqrt(squares),
                1e-5);
  }
}

TEST(SharpnessTest, WorkingCopiesFollow) {
  OneConvolution model;
  const Optimizer optimizer(SgdPlan(), model);
  const WorkingCopy copy;
  const at::Tensor before = copy.Of(model.weight).clone();
  SharpnessAware sharpness(1.0, /*adaptive=*/false, optimizer);
  sharpness.Climb();
  EXPECT_TRUE(copy.Of(model.weight).equal(model.weight.detach().to(at::kBFloat16)));
  EXPECT_FALSE(copy.Of(model.weight).equal(before));
  sharpness.Return();
  EXPECT_TRUE(copy.Of(model.weight).equal(before));
}

spec::TrainingPlan SamPlan() {
  spec::TrainingPlan plan = SmallPlan();
  plan.optimizer.sam_rho = 0.05;
  return plan;
}

// The statistics of the first step depend on the weights that it starts from alone.
TEST(SharpnessTest, OnlyTheFirstPassChangesRunningStatistics) {
  const MemoryDataset set = SmallImages();
  for (const auto precision : {spec::Precision::kFp32, spec::Precision::kBf16}) {
    const TempDir dir;
    spec::TrainingPlan plan = SamPlan();
    plan.precision = precision;
    plan.checkpoint_every_steps = 1;
    plan.checkpoint_keep = 100;
    plan.epochs = 1;
    ASSERT_TRUE(RunTraining(Posix(), dir.File("sam"), plan, set).status.ok());
    plan.optimizer.sam_rho = 0.0;
    ASSERT_TRUE(RunTraining(Posix(), dir.File("plain"), plan, set).status.ok());
    const auto sam = LoadCheckpoint(Posix(), dir.File("sam/step-1"));
    const auto plain = LoadCheckpoint(Posix(), dir.File("plain/step-1"));
    ASSERT_TRUE(sam.ok() && plain.ok());
    int statistics = 0, weights = 0;
    for (size_t i = 0; i < sam->model.size(); ++i) {
      const std::string& name = sam->model[i].name;
      const bool same = sam->model[i].tensor.equal(plain->model[i].tensor);
      if (name.find("running") != std::string::npos ||
          name.find("num_batches") != std::string::npos) {
        EXPECT_TRUE(same) << name;
        ++statistics;
      } else {
        weights += !same;
      }
    }
    EXPECT_EQ(statistics, 12);
    EXPECT_GT(weights, 0) << "the second pass has another gradient";
  }
}

TEST(SharpnessTest, MicroBatchesAddUpAndClippingIsOfTheLastGradient) {
  const MemoryDataset set = SmallTable();
  spec::TrainingPlan plan = SamPlan();
  plan.model.family = spec::ModelPlan::Family::kMlp;
  plan.model.hidden = {8};
  plan.view.size = 0;
  plan.augment = {};
  plan.optimizer = SgdPlan();
  plan.optimizer.lr = 0.5;
  plan.optimizer.sam_rho = 0.1;
  plan.clip_grad_norm = 0.01;
  plan.checkpoint_every_steps = 1;
  plan.checkpoint_keep = 100;
  plan.epochs = 1;
  const TempDir dir;
  const Ran whole = RunTraining(Posix(), dir.File("a"), plan, set);
  plan.micro_batch = 4;
  const Ran parts = RunTraining(Posix(), dir.File("b"), plan, set);
  ASSERT_TRUE(whole.status.ok() && parts.status.ok());
  const auto first = LoadCheckpoint(Posix(), dir.File("a/step-1"));
  const auto second = LoadCheckpoint(Posix(), dir.File("a/step-2"));
  ASSERT_TRUE(first.ok() && second.ok());
  double squares = 0.0;
  for (size_t i = 0; i < first->model.size(); ++i) {
    const at::Tensor step = second->model[i].tensor - first->model[i].tensor;
    squares += step.pow(2).sum().item<double>();
  }
  EXPECT_NEAR(std::sqrt(squares), 0.5 * 0.01, 1e-5);
  for (size_t i = 0; i < whole.weights.size(); ++i) {
    EXPECT_TRUE(whole.weights[i].tensor.allclose(parts.weights[i].tensor, 1e-4, 1e-5))
        << whole.weights[i].name;
  }
}

}  // namespace
}  // namespace skytrain::training
