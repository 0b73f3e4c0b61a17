#include "server/training/models/bf16_batch_norm.h"

#include <string>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "gtest/gtest.h"
#include "server/training/precision.h"

namespace skytrain::training {
namespace {

struct Norm {
  at::Tensor x, residual, weight, bias, running_mean, running_var, y;
};

at::Tensor Leaf(const at::Tensor& tensor) { return tensor.clone().set_requires_grad(true); }

class Bf16BatchNormTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasBf16Arithmetic()) GTEST_SKIP() << "needs a CPU with AVX-512 BF16";
    at::manual_seed(7);
    at::set_num_threads(2);
  }

  // Inputs whose mean is far from zero in places.
  static Norm Inputs(at::IntArrayRef sizes, bool with_residual) {
    const int64_t channels = sizes[1];
    const auto images = [&] { return at::randn(sizes).contiguous(at::MemoryFormat::ChannelsLast); };
    Norm norm;
    norm.x = (images() * 0.3 + 5.0 * at::randn({1, channels, 1, 1})).to(at::kBFloat16);
    if (with_residual) norm.residual = images().to(at::kBFloat16);
    norm.weight = at::rand({channels}) + 0.5;
    norm.bias = at::randn({channels});
    norm.running_mean = at::randn({channels});
    norm.running_var = at::rand({channels}) + 0.5;
    return norm;
  }

  static Norm Fused(const Norm& inputs, bool relu, const at::Tensor& gradient) {
    Norm norm = Leaves(inputs, at::kBFloat16, at::kFloat);
    norm.y = Bf16BatchNorm(norm.x, {norm.weight, norm.bias, norm.running_mean, norm.running_var},
                           norm.residual, relu);
    norm.y.backward(gradient);
    return norm;
  }

  // Plain autograd in float64.
  static Norm Reference(const Norm& inputs, bool relu, const at::Tensor& gradient) {
    Norm norm = Leaves(inputs, at::kDouble, at::kDouble);
    norm.y = at::batch_norm(norm.x, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                            true, kNormMomentum, kNormEpsilon, false);
    if (norm.residual.defined()) norm.y = norm.y + norm.residual;
    if (relu) norm.y = norm.y.relu();
    norm.y.backward(gradient.to(at::kDouble));
    return norm;
  }

  static double Difference(const at::Tensor& a, const at::Tensor& b) {
    return ((a.to(at::kDouble) - b).abs().max() / b.abs().max()).item<double>();
  }

 private:
  static Norm Leaves(const Norm& inputs, at::ScalarType images, at::ScalarType vectors) {
    Norm norm;
    norm.x = Leaf(inputs.x.to(images));
    if (inputs.residual.defined()) norm.residual = Leaf(inputs.residual.to(images));
    norm.weight = Leaf(inputs.weight.to(vectors));
    norm.bias = Leaf(inputs.bias.to(vectors));
    norm.running_mean = inputs.running_mean.to(vectors).clone();
    norm.running_var = inputs.running_var.to(vectors).clone();
    return norm;
  }
};

TEST_F(Bf16BatchNormTest, EveryGradientIsThatOfSeparateOperationsInFloat64) {
  // The last has a row longer than a block, the one before it channels that fill no vector.
  for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{
           {16, 64, 16, 16}, {5, 512, 2, 2}, {3, 37, 7, 5}, {2, 40000, 1, 1}}) {
    for (const bool relu : {false, true}) {
      for (const bool with_residual : {false, true}) {
        const std::string what = std::to_string(sizes[1]) + " channels" + (relu ? ", ReLU" : "") +
                                 (with_residual ? ", residual" : "");
        const Norm inputs = Inputs(sizes, with_residual);
        const at::Tensor gradient =
            at::randn(sizes).contiguous(at::MemoryFormat::ChannelsLast).to(at::kBFloat16);
        const Norm ours = Fused(inputs, relu, gradient);
        const Norm expected = Reference(inputs, relu, gradient);
        EXPECT_LT(Difference(ours.y.detach(), expected.y.detach()), 0.005) << what;
        EXPECT_LT(Difference(ours.running_mean, expected.running_mean), 1e-5) << what;
        EXPECT_LT(Difference(ours.running_var, expected.running_var), 1e-5) << what;
        // What is rounded to bfloat16 may pass or fail the ReLU where float64 decides otherwise.
        EXPECT_LT(Difference(ours.weight.grad(), expected.weight.grad()), 0.01) << what;
        EXPECT_LT(Difference(ours.bias.grad(), expected.bias.grad()), 0.01) << what;
        if (sizes[0] * sizes[2] * sizes[3] > 2) {  // Of two rows, the gradient is rounding error.
          const at::Tensor off = (ours.x.grad().to(at::kDouble) - expected.x.grad()).abs() >
                                 0.01 * expected.x.grad().abs().max();
          EXPECT_LT(off.to(at::kDouble).mean().item<double>(), 1e-3) << what;
        }
        if (with_residual) {
          const at::Tensor off = ours.residual.grad().to(at::kDouble) != expected.residual.grad();
          EXPECT_LT(off.to(at::kDouble).mean().item<double>(), 1e-3) << what;
        }
      }
    }
  }
}

TEST_F(Bf16BatchNormTest, BitsDoNotDependOnTheNumberOfThreads) {
  const Norm inputs = Inputs({33, 64, 16, 16}, true);
  const at::Tensor gradient =
      at::randn({33, 64, 16, 16}).contiguous(at::MemoryFormat::ChannelsLast).to(at::kBFloat16);
  const Norm two = Fused(inputs, true, gradient);
  at::set_num_threads(1);
  const Norm one = Fused(inputs, true, gradient);
  EXPECT_TRUE(one.y.equal(two.y));
  EXPECT_TRUE(one.x.grad().equal(two.x.grad()));
  EXPECT_TRUE(one.weight.grad().equal(two.weight.grad()));
  EXPECT_TRUE(one.running_var.equal(two.running_var));
}

TEST_F(Bf16BatchNormTest, NanStaysNan) {
  Norm inputs = Inputs({4, 64, 4, 4}, false);
  inputs.x.select(1, 3).fill_(std::numeric_limits<float>::quiet_NaN());
  const Norm ours = Fused(inputs, true, inputs.x);
  EXPECT_TRUE(ours.y.detach().select(1, 3).isnan().all().item<bool>());
  EXPECT_FALSE(ours.y.detach().select(1, 4).isnan().any().item<bool>());
}

}  // namespace
}  // namespace skytrain::training
