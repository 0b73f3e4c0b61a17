#include "server/training/models/convolution.h"

#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "gtest/gtest.h"
#include "server/training/precision.h"

namespace skytrain::training {
namespace {

struct Shape {
  int64_t batch, in, out, size, kernel, stride, padding;
};

std::string Name(const Shape& s) {
  return "batch " + std::to_string(s.batch) + ", " + std::to_string(s.in) + " to " +
         std::to_string(s.out) + " channels, " + std::to_string(s.size) + " px, kernel " +
         std::to_string(s.kernel) + ", stride " + std::to_string(s.stride);
}

// Every convolution of ResNet18 and ResNet50 at 64 px (the stem at 32), then what no block divides.
const std::vector<Shape>& Shapes() {
  static const std::vector<Shape> shapes = {
      {4, 3, 64, 32, 7, 2, 3},    {4, 64, 64, 16, 3, 1, 1},    {4, 64, 128, 16, 3, 2, 1},
      {4, 64, 128, 16, 1, 2, 0},  {4, 128, 128, 8, 3, 1, 1},   {4, 128, 256, 8, 3, 2, 1},
      {4, 128, 256, 8, 1, 2, 0},  {4, 256, 256, 4, 3, 1, 1},   {4, 256, 512, 4, 3, 2, 1},
      {4, 256, 512, 4, 1, 2, 0},  {4, 512, 512, 2, 3, 1, 1},   {4, 64, 64, 16, 1, 1, 0},
      {4, 64, 256, 16, 1, 1, 0},  {4, 256, 128, 16, 1, 1, 0},  {4, 128, 128, 16, 3, 2, 1},
      {4, 256, 512, 16, 1, 2, 0}, {4, 512, 128, 8, 1, 1, 0},   {4, 1024, 512, 4, 1, 1, 0},
      {4, 512, 512, 4, 3, 2, 1},  {4, 1024, 2048, 4, 1, 2, 0}, {4, 2048, 512, 2, 1, 1, 0},
      {3, 3, 5, 9, 3, 1, 1},      {1, 20, 13, 7, 3, 2, 1},     {5, 33, 7, 11, 3, 2, 0},
      {3, 40, 24, 5, 5, 1, 2},    {2, 4, 9, 1, 3, 1, 1},       {3, 3, 20, 13, 4, 4, 0},
      {130, 70, 34, 6, 3, 1, 1},
  };
  return shapes;
}

class ConvolutionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(3);
    at::set_num_threads(2);
  }

  static at::Tensor Random(std::vector<int64_t> sizes) {
    return at::randn(sizes).contiguous(at::MemoryFormat::ChannelsLast);
  }

  static at::Tensor Bf16(std::vector<int64_t> sizes) {
    return Random(std::move(sizes)).to(at::kBFloat16);
  }

  // Of the same values in float64.
  static std::vector<at::Tensor> Reference(const at::Tensor& gradient, const at::Tensor& x,
                                           const at::Tensor& weight, const Shape& s) {
    const auto [of_x, of_weight, of_bias] = at::convolution_backward(
        gradient.to(at::kDouble), x.to(at::kDouble), weight.to(at::kDouble),
        at::OptionalIntArrayRef(), {s.stride, s.stride}, {s.padding, s.padding}, {1, 1}, false,
        {0, 0}, 1, {true, true, false});
    return {of_x, of_weight};
  }

  static double Difference(const at::Tensor& a, const at::Tensor& b) {
    return ((a.to(at::kDouble) - b).abs().max() / b.abs().max()).item<double>();
  }
};

TEST_F(ConvolutionTest, WeightGradientsAreThoseOfFloat64) {
  if (!HasBf16Arithmetic()) GTEST_SKIP() << "needs a CPU with AVX-512 BF16";
  for (const Shape& s : Shapes()) {
    const at::Tensor x = Bf16({s.batch, s.in, s.size, s.size});
    const at::Tensor weight = Bf16({s.out, s.in, s.kernel, s.kernel});
    const at::Tensor y = at::conv2d(x, weight, {}, {s.stride, s.stride}, {s.padding, s.padding});
    const at::Tensor gradient = Bf16(y.sizes().vec());
    const at::Tensor ours = ConvWeightGradient(x, gradient, {s.kernel, s.stride, s.padding});
    ASSERT_EQ(ours.scalar_type(), at::kFloat) << Name(s);
    // The products are exact, the sums are float32.
    EXPECT_LT(Difference(ours, Reference(gradient, x, weight, s)[1]), 1e-5) << Name(s);
  }
}

TEST_F(ConvolutionTest, WeightGradientsDoNotDependOnTheNumberOfThreads) {
  if (!HasBf16Arithmetic()) GTEST_SKIP() << "needs a CPU with AVX-512 BF16";
  const at::Tensor x = Bf16({33, 64, 16, 16}), gradient = Bf16({33, 64, 16, 16});
  const at::Tensor two = ConvWeightGradient(x, gradient, {3, 1, 1});
  at::set_num_threads(1);
  EXPECT_TRUE(ConvWeightGradient(x, gradient, {3, 1, 1}).equal(two));
}

// Also on a CPU without AVX-512 BF16, where oneDNN does it all.
TEST_F(ConvolutionTest, GradientsReachInputAndFloat32Weight) {
  for (const Shape& s : Shapes()) {
    if (s.batch * s.in * s.out * s.size > 3'000'000) continue;  // Quick enough where emulated.
    const at::Tensor x = Bf16({s.batch, s.in, s.size, s.size}).set_requires_grad(true);
    const at::Tensor weight = Random({s.out, s.in, s.kernel, s.kernel}).set_requires_grad(true);
    const at::Tensor copy = weight.detach().to(at::kBFloat16);
    const at::Tensor y = Bf16Convolution(x, weight, copy, {s.kernel, s.stride, s.padding});
    ASSERT_EQ(y.scalar_type(), at::kBFloat16) << Name(s);
    const at::Tensor gradient = Bf16(y.sizes().vec());
    y.backward(gradient);
    const std::vector<at::Tensor> expected = Reference(gradient, x.detach(), copy, s);
    EXPECT_LT(Difference(x.grad(), expected[0]), 0.01) << Name(s);  // Is bfloat16.
    ASSERT_EQ(weight.grad().scalar_type(), at::kFloat) << Name(s);
    // The fused optimizers walk memory, so the layout has to be the parameter's.
    EXPECT_TRUE(weight.grad().is_contiguous(at::MemoryFormat::ChannelsLast)) << Name(s);
    EXPECT_LT(Difference(weight.grad(), expected[1]), 0.01) << Name(s);
  }
}

TEST_F(ConvolutionTest, WorkingCopyFollowsItsParameter) {
  const at::Tensor weight = Random({4, 3, 3, 3});
  const WorkingCopy copy;
  const at::Tensor first = copy.Of(weight);
  EXPECT_TRUE(first.equal(weight.to(at::kBFloat16)));
  EXPECT_TRUE(copy.Of(weight).is_same(first));
  weight.mul_(2.0);
  EXPECT_TRUE(copy.Of(weight).equal(weight.to(at::kBFloat16)));
}

}  // namespace
}  // namespace skytrain::training
