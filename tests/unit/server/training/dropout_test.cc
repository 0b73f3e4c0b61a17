#include "server/training/models/dropout.h"

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "gtest/gtest.h"

namespace skytrain::training {
namespace {

class Nothing final : public Model {
 public:
  at::Tensor Features(const at::Tensor& input) override { return input; }
  at::Tensor Logits(const at::Tensor& features) override { return features; }
};

TEST(DropoutTest, KeepsTheExpectedShareAndTheMean) {
  Nothing model;
  const Dropout dropout = Dropout::Make(model, 0.3);
  const at::Tensor out = dropout(at::ones({100, 1000}), true, {7, 3, 0});
  // Deviation of a share of 100,000 draws: 0.0015.
  EXPECT_NEAR(out.ne(0).to(at::kDouble).mean().item<double>(), 0.7, 0.006);
  EXPECT_NEAR(out.mean().item<double>(), 1.0, 0.01);
  EXPECT_FLOAT_EQ(out.max().item<float>(), 1.0F / 0.7F);
}

TEST(DropoutTest, NothingIsDroppedOutsideOfTraining) {
  Nothing model;
  const at::Tensor x = at::rand({3, 5});
  EXPECT_TRUE(Dropout::Make(model, 0.9)(x, false, {}).equal(x));
  EXPECT_TRUE(Dropout::Make(model, 0.0)(x, true, {}).equal(x));
}

TEST(DropoutTest, MasksDependOnSeedStepAndLayerAlone) {
  Nothing model;
  const Dropout first = Dropout::Make(model, 0.5), second = Dropout::Make(model, 0.5);
  const at::Tensor x = at::ones({4, 64});
  const at::Tensor out = first(x, true, {1, 2, 0});
  EXPECT_TRUE(out.equal(first(x, true, {1, 2, 0})));
  EXPECT_FALSE(out.equal(first(x, true, {2, 2, 0})));
  EXPECT_FALSE(out.equal(first(x, true, {1, 3, 0})));
  EXPECT_FALSE(out.equal(second(x, true, {1, 2, 0})));
}

TEST(DropoutTest, ABatchInPartsIsDroppedAsAWholeOne) {
  Nothing model;
  const Dropout dropout = Dropout::Make(model, 0.5);
  const StochasticDepth depth = StochasticDepth::Make(model, 0.5);
  const at::Tensor x = at::ones({16, 3, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor whole = dropout(x, true, {1, 2, 0}), rows = depth(x, true, {1, 2, 0});
  EXPECT_TRUE(whole.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(whole.narrow(0, 10, 6).equal(dropout(x.narrow(0, 10, 6), true, {1, 2, 10})));
  EXPECT_TRUE(rows.narrow(0, 10, 6).equal(depth(x.narrow(0, 10, 6), true, {1, 2, 10})));
}

TEST(DropoutTest, StochasticDepthDropsWholeSamples) {
  Nothing model;
  const at::Tensor out =
      StochasticDepth::Make(model, 0.25)(at::ones({4000, 2, 3}), true, {1, 0, 0}).flatten(1);
  EXPECT_TRUE(out.eq(out.select(1, 0).unsqueeze(1)).all().item<bool>());
  EXPECT_NEAR(out.ne(0).to(at::kDouble).mean().item<double>(), 0.75, 0.03);
}

TEST(DropoutTest, GradientsFlowThroughWhatIsKept) {
  Nothing model;
  const at::Tensor x = at::ones({8, 8}).set_requires_grad(true);
  const at::Tensor out = Dropout::Make(model, 0.5)(x, true, {1, 0, 0});
  out.sum().backward();
  EXPECT_TRUE(x.grad().equal(out.detach()));
}

// The loop of the CPU against the integer operations that other devices run, on the same numbers.
TEST(DropoutTest, DevicesDrawTheSameMask) {
  for (const uint64_t key : {uint64_t{0}, uint64_t{0xF123456789ABCDEF}}) {
    const at::Tensor loop = KeepMask(key, 1000, 5000, 0.3, c10::Device(c10::kCPU));
    const at::Tensor scalar = at::scalar_tensor(static_cast<int64_t>(key), at::kLong);
    EXPECT_TRUE(loop.equal(KeepMaskByOperations(scalar, 1000, 5000, 0.3, c10::Device(c10::kCPU))));
  }
}

// Keys in a tensor, which a recorded step reads anew each time.
TEST(DropoutTest, KeysDrawWhatTheirStepDraws) {
  Nothing model;
  const Dropout dropout = Dropout::Make(model, 0.5);
  const StochasticDepth depth = StochasticDepth::Make(model, 0.5);
  const at::Tensor x = at::ones({64, 3});
  StepDraw recorded = {0, 0, 5};
  recorded.keys = at::empty({model.DrawingLayers()}, at::kLong);
  for (const int64_t step : {2, 3}) {
    recorded.keys.copy_(DropoutKeys(1, step, model.DrawingLayers()));
    EXPECT_TRUE(dropout(x, true, recorded).equal(dropout(x, true, {1, step, 5})));
    EXPECT_TRUE(depth(x, true, recorded).equal(depth(x, true, {1, step, 5})));
  }
}

TEST(DropoutTest, MasksDoNotDependOnTheThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = KeepMask(5, 0, 1 << 18, 0.5, c10::Device(c10::kCPU));
  at::set_num_threads(2);
  EXPECT_TRUE(one.equal(KeepMask(5, 0, 1 << 18, 0.5, c10::Device(c10::kCPU))));
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace skytrain::training
