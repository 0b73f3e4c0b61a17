#include "server/training/optim/optimizer.h"

#include <cmath>

#include "ATen/ATen.h"
#include "gtest/gtest.h"

namespace skytrain::training {
namespace {

using Kind = spec::OptimizerPlan::Kind;

constexpr double kLr = 0.1;

// One weight that decays and one bias that does not, both 2 at the start.
class TwoParameters final : public Model {
 public:
  TwoParameters() {
    weight = AddParameter("w", at::full({1, 1}, 2.0), true);
    bias = AddParameter("b", at::full({1}, 2.0), false);
    Prepare(c10::Device(c10::kCPU));
  }
  at::Tensor Features(const at::Tensor& input) override { return input; }
  at::Tensor Logits(const at::Tensor& features) override { return features; }
  void SetGradients(double value) {
    weight.mutable_grad() = at::full({1, 1}, value);
    bias.mutable_grad() = at::full({1}, value);
  }
  at::Tensor weight, bias;
};

spec::OptimizerPlan Plan(Kind kind, double decay) {
  spec::OptimizerPlan plan;
  plan.kind = kind;
  plan.weight_decay = decay;
  return plan;
}

// The reference: the papers' formulas, in double precision.
double Reference(const spec::OptimizerPlan& plan, double decay, const std::vector<double>& grads) {
  double w = 2.0, m = 0.0, v = 0.0;
  int t = 0;
  for (double g : grads) {
    ++t;
    if (plan.kind == Kind::kAdamW) {
      w -= kLr * decay * w;
    } else {
      g += decay * w;
    }
    if (plan.kind == Kind::kSgd) {
      m = t == 1 ? g : plan.momentum * m + g;
      const double step = plan.momentum == 0.0 ? g : plan.nesterov ? g + plan.momentum * m : m;
      w -= kLr * step;
      continue;
    }
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    w -= kLr * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
  }
  return w;
}

TEST(OptimizerTest, StepsFollowTheFormulas) {
  spec::OptimizerPlan momentum = Plan(Kind::kSgd, 0.1);
  momentum.momentum = 0.9;
  spec::OptimizerPlan nesterov = momentum;
  nesterov.nesterov = true;
  const std::vector<double> gradients = {1.0, -0.5, 0.25, 3.0, 0.0};
  int number = 0;
  for (const spec::OptimizerPlan& plan : {Plan(Kind::kSgd, 0.1), momentum, nesterov,
                                          Plan(Kind::kAdam, 0.1), Plan(Kind::kAdamW, 0.1)}) {
    TwoParameters model;
    Optimizer optimizer(plan, model);
    for (const double gradient : gradients) {
      model.SetGradients(gradient);
      optimizer.Step(at::scalar_tensor(kLr, at::kDouble));
    }
    EXPECT_NEAR(model.weight.item<double>(), Reference(plan, 0.1, gradients), 1e-5) << number;
    EXPECT_NEAR(model.bias.item<double>(), Reference(plan, 0.0, gradients), 1e-5) << number;
    ++number;
  }
}

// What a recorded step is told: one tensor, that holds another number each time.
TEST(OptimizerTest, StepsByTheRateThatATensorHolds) {
  for (const Kind kind : {Kind::kSgd, Kind::kAdam, Kind::kAdamW, Kind::kMuon}) {
    TwoParameters by_number, by_tensor;
    Optimizer one(Plan(kind, 0.1), by_number), other(Plan(kind, 0.1), by_tensor);
    const at::Tensor rate = at::empty({}, at::kFloat);
    for (const double lr : {0.5, 0.125, 0.25}) {
      by_number.SetGradients(lr);
      by_tensor.SetGradients(lr);
      one.Step(at::scalar_tensor(lr, at::kDouble));
      other.Step(rate.fill_(lr));
    }
    EXPECT_NEAR(by_tensor.weight.item<double>(), by_number.weight.item<double>(), 1e-7);
    EXPECT_NEAR(by_tensor.bias.item<double>(), by_number.bias.item<double>(), 1e-7);
    EXPECT_GT(std::abs(by_tensor.weight.item<double>() - 2.0), 0.01);
  }
}

TEST(OptimizerTest, ClippingScalesDownToTheLargestNorm) {
  TwoParameters model;
  Optimizer optimizer(Plan(Kind::kSgd, 0.0), model);
  model.SetGradients(3.0);
  EXPECT_NEAR(optimizer.GradientNorm().item<double>(), std::sqrt(18.0), 1e-5);
  optimizer.ClipGradients(1.0);
  EXPECT_NEAR(optimizer.GradientNorm().item<double>(), 1.0, 1e-5);
  optimizer.ClipGradients(5.0);
  EXPECT_NEAR(optimizer.GradientNorm().item<double>(), 1.0, 1e-5);
}

TEST(OptimizerTest, NormIsNanBeforeTheFirstGradient) {
  TwoParameters model;
  EXPECT_TRUE(std::isnan(Optimizer(Plan(Kind::kSgd, 0.0), model).GradientNorm().item<double>()));
}

TEST(OptimizerTest, StateNamesItsParameters) {
  TwoParameters model;
  std::vector<std::string> names;
  for (const NamedTensor& named : Optimizer(Plan(Kind::kAdam, 0.0), model).State()) {
    names.push_back(named.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"exp_avg.w", "exp_avg_sq.w", "exp_avg.b",
                                             "exp_avg_sq.b", "step"}));
}

}  // namespace
}  // namespace skytrain::training
