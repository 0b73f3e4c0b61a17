#include "server/training/models/convnext.h"

#include <array>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "server/training/models/dropout.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

// Weights and biases of torchvision's trunc_normal_(std=0.02): its bounds of +-2 are 100 deviations
// away.
constexpr double kDeviation = 0.02;

// Channels last, the order of the norms and of the linear layers. A view where memory is too.
at::Tensor ToLast(const at::Tensor& x) { return x.permute({0, 2, 3, 1}); }
at::Tensor ToFirst(const at::Tensor& x) { return x.permute({0, 3, 1, 2}); }

// 7x7 depthwise convolution, norm, four times as many channels and back, scaled.
struct Block {
  Conv2d depthwise;
  LayerNorm norm;
  Linear up, down;
  at::Tensor layer_scale;  // [channels, 1, 1]
  StochasticDepth depth;

  at::Tensor operator()(const at::Tensor& x, bool training, const StepDraw& draw) const {
    at::Tensor out = norm(ToLast(depthwise(x)));
    out = ToFirst(down(at::gelu(up(out))));
    return depth(layer_scale.to(out.scalar_type()) * out, training, draw) + x;
  }
};

struct Downsample {
  LayerNorm norm;
  Conv2d conv;

  at::Tensor operator()(const at::Tensor& x) const { return conv(ToFirst(norm(ToLast(x)))); }
};

class Convnext final : public Model {
 public:
  Convnext(const spec::ModelPlan& plan, int64_t classes, at::Generator& generator)
      : generator_(generator) {
    const bool nano = plan.convnext == spec::ModelPlan::Convnext::kNano;
    const std::array<int, 4> depths =
        nano ? std::array<int, 4>{2, 2, 8, 2} : std::array<int, 4>{3, 3, 9, 3};
    const int64_t width = nano ? 80 : 96;
    const int blocks = depths[0] + depths[1] + depths[2] + depths[3];
    stem_ = MakeConv("features.0.0", {width, 3, 4, 4}, 4, 0);
    stem_norm_ = LayerNorm::Make(*this, "features.0.1", width);
    int made = 0;
    for (int stage = 0; stage < 4; ++stage) {
      BeginStage(stage + 1);
      const int64_t channels = width << stage;
      if (stage > 0) {
        const std::string name = absl::StrCat("features.", 2 * stage);
        Downsample& downsample = downsamples_[stage - 1];
        downsample.norm = LayerNorm::Make(*this, name + ".0", channels / 2);
        downsample.conv = MakeConv(name + ".1", {channels, channels / 2, 2, 2}, 2, 0);
      }
      for (int i = 0; i < depths[stage]; ++i) {
        const double drop = plan.stochastic_depth * made++ / (blocks - 1);
        stages_[stage].push_back(
            MakeBlock(absl::StrCat("features.", 2 * stage + 1, ".", i), channels, drop));
      }
    }
    BeginStage(5);
    norm_ = LayerNorm::Make(*this, "classifier.0", width * 8);
    head_ = MakeLinear("classifier.2", width * 8, classes);
  }

  at::Tensor Features(const at::Tensor& input) override {
    at::Tensor x = ToFirst(stem_norm_(ToLast(stem_(input))));
    for (int stage = 0; stage < 4; ++stage) {
      if (stage > 0) x = downsamples_[stage - 1](x);
      for (const Block& block : stages_[stage]) x = block(x, training(stage + 1), draw());
    }
    return norm_(at::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }
  at::Tensor Logits(const at::Tensor& features) override { return head_(features); }

 private:
  Conv2d MakeConv(const std::string& name, at::IntArrayRef shape, int64_t stride, int64_t padding,
                  int64_t groups = 1) {
    return Conv2d::Make(*this, name, Normal(shape, kDeviation, generator_), /*biased=*/true, stride,
                        padding, groups);
  }
  Linear MakeLinear(const std::string& name, int64_t in, int64_t out) {
    return Linear::Make(*this, name, Normal({out, in}, kDeviation, generator_), at::zeros({out}));
  }
  Block MakeBlock(const std::string& name, int64_t channels, double drop) {
    Block block;
    block.layer_scale =
        AddParameter(name + ".layer_scale", at::full({channels, 1, 1}, 1e-6), /*decay=*/false);
    block.depthwise = MakeConv(name + ".block.0", {channels, 1, 7, 7}, 1, 3, channels);
    block.norm = LayerNorm::Make(*this, name + ".block.2", channels);
    block.up = MakeLinear(name + ".block.3", channels, 4 * channels);
    block.down = MakeLinear(name + ".block.5", 4 * channels, channels);
    block.depth = StochasticDepth::Make(*this, drop);
    return block;
  }

  at::Generator& generator_;  // Of the constructor only.
  Conv2d stem_;
  LayerNorm stem_norm_;
  std::array<Downsample, 3> downsamples_;
  std::array<std::vector<Block>, 4> stages_;
  LayerNorm norm_;
  Linear head_;
};

}  // namespace

std::unique_ptr<Model> MakeConvnext(const spec::ModelPlan& plan, int64_t classes,
                                    at::Generator& generator) {
  return std::make_unique<Convnext>(plan, classes, generator);
}

}  // namespace skytrain::training
