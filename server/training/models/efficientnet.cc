#include "server/training/models/efficientnet.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "server/training/models/dropout.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

// Table 1 of the paper, and our name for where it is frozen: by resolution, as of a ResNet.
struct Group {
  int64_t expand, kernel, stride, out;
  int blocks, stage;
};
constexpr Group kGroups[] = {{1, 3, 1, 16, 1, 1}, {6, 3, 2, 24, 2, 1},  {6, 5, 2, 40, 2, 2},
                             {6, 3, 2, 80, 3, 3}, {6, 5, 1, 112, 3, 3}, {6, 5, 2, 192, 4, 4},
                             {6, 3, 1, 320, 1, 4}};
constexpr int kBlocks = 16;

struct ConvNorm {
  Conv2d conv;
  BatchNorm2d norm;

  at::Tensor operator()(const at::Tensor& x, bool training) const {
    return norm(conv(x), training);
  }
};

// Hu et al. 2017, arXiv:1709.01507.
struct SqueezeExcitation {
  Conv2d fc1, fc2;

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor mean = at::adaptive_avg_pool2d(x, {1, 1});
    return x * at::sigmoid(fc2(at::silu(fc1(mean))));
  }
};

// Inverted residual block.
struct Block {
  std::optional<ConvNorm> expand;
  ConvNorm depthwise, project;
  SqueezeExcitation excitation;
  StochasticDepth depth;
  bool residual = false;
  int stage = 0;

  at::Tensor operator()(const at::Tensor& x, bool training, const StepDraw& draw) const {
    at::Tensor out = expand ? at::silu((*expand)(x, training)) : x;
    out = excitation(at::silu(depthwise(out, training)));
    out = project(out, training);
    return residual ? depth(out, training, draw) + x : out;
  }
};

class Efficientnet final : public Model {
 public:
  Efficientnet(const spec::ModelPlan& plan, int64_t classes, at::Generator& generator)
      : generator_(generator) {
    stem_ = MakeConvNorm("features.0", 3, 32, 3, 2, 1);
    int64_t in = 32;
    int group = 1;
    for (const Group& g : kGroups) {
      BeginStage(g.stage);
      for (int i = 0; i < g.blocks; ++i) {
        const double drop = plan.stochastic_depth * static_cast<double>(blocks_.size()) / kBlocks;
        blocks_.push_back(MakeBlock(absl::StrCat("features.", group, ".", i, ".block"), in, g,
                                    i == 0 ? g.stride : 1, drop));
        in = g.out;
      }
      ++group;
    }
    top_ = MakeConvNorm("features.8", in, 4 * in, 1, 1, 1);
    BeginStage(5);
    dropout_ = Dropout::Make(*this, plan.dropout);
    head_ = Linear::Make(*this, "classifier.1",
                         Uniform({classes, 4 * in}, 1.0 / std::sqrt(classes), generator),
                         at::zeros({classes}));
  }

  at::Tensor Features(const at::Tensor& input) override {
    at::Tensor x = at::silu(stem_(input, training(0)));
    for (const Block& block : blocks_) x = block(x, training(block.stage), draw());
    x = at::silu(top_(x, training(4)));
    x = at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
    return dropout_(x, training(5), draw());
  }
  at::Tensor Logits(const at::Tensor& features) override { return head_(features); }

 private:
  ConvNorm MakeConvNorm(const std::string& name, int64_t in, int64_t out, int64_t kernel,
                        int64_t stride, int64_t groups) {
    ConvNorm layer;
    layer.conv = Conv2d::Make(*this, name + ".0",
                              KaimingNormal({out, in / groups, kernel, kernel}, generator_),
                              /*biased=*/false, stride, kernel / 2, groups);
    layer.norm = BatchNorm2d::Make(*this, name + ".1", out);
    return layer;
  }
  Block MakeBlock(const std::string& name, int64_t in, const Group& group, int64_t stride,
                  double drop) {
    const auto layer = [&name](int i) { return absl::StrCat(name, ".", i); };
    const int64_t wide = in * group.expand;
    int i = 0;
    Block block;
    if (group.expand != 1) block.expand = MakeConvNorm(layer(i++), in, wide, 1, 1, 1);
    block.depthwise = MakeConvNorm(layer(i++), wide, wide, group.kernel, stride, wide);
    const int64_t squeezed = std::max<int64_t>(1, in / 4);
    const std::string excitation = layer(i++);
    block.excitation.fc1 =
        Conv2d::Make(*this, excitation + ".fc1", KaimingNormal({squeezed, wide, 1, 1}, generator_),
                     /*biased=*/true, 1, 0);
    block.excitation.fc2 =
        Conv2d::Make(*this, excitation + ".fc2", KaimingNormal({wide, squeezed, 1, 1}, generator_),
                     /*biased=*/true, 1, 0);
    block.project = MakeConvNorm(layer(i), wide, group.out, 1, 1, 1);
    block.depth = StochasticDepth::Make(*this, drop);
    block.residual = stride == 1 && in == group.out;
    block.stage = group.stage;
    return block;
  }

  at::Generator& generator_;  // Of the constructor only.
  ConvNorm stem_, top_;
  std::vector<Block> blocks_;
  Dropout dropout_;
  Linear head_;
};

}  // namespace

std::unique_ptr<Model> MakeEfficientnet(const spec::ModelPlan& plan, int64_t classes,
                                        at::Generator& generator) {
  return std::make_unique<Efficientnet>(plan, classes, generator);
}

}  // namespace skytrain::training
