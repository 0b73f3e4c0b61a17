#include "server/training/models/wide_resnet.h"

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

// Norm and ReLU before each convolution; where the width changes the shortcut starts behind the
// first norm too.
struct Block {
  BatchNorm2d bn1, bn2;
  Conv2d conv1, conv2;
  std::optional<Conv2d> shortcut;
  Dropout dropout;

  at::Tensor operator()(const at::Tensor& x, bool training, const StepDraw& draw) const {
    const at::Tensor active = bn1.Rectified(x, training);
    at::Tensor out = bn2.Rectified(conv1(active), training);
    out = conv2(dropout(out, training, draw));
    return out.add_(shortcut ? (*shortcut)(active) : x);
  }
};

class WideResnet final : public Model {
 public:
  WideResnet(const spec::ModelPlan& plan, int64_t classes, at::Generator& generator) {
    conv1_ = Conv2d::Make(*this, "conv1", 3, 16, 3, 1, 1, generator);
    const int blocks = (plan.depth - 4) / 6;
    int64_t in = 16;
    for (int stage = 1; stage <= 3; ++stage) {
      BeginStage(stage);
      const int64_t out = (int64_t{16} << (stage - 1)) * plan.widen;
      for (int i = 0; i < blocks; ++i) {
        const int64_t stride = stage > 1 && i == 0 ? 2 : 1;
        const std::string name = absl::StrCat("block", stage, ".layer.", i);
        stages_[stage - 1].push_back(MakeBlock(name, in, out, stride, plan.dropout, generator));
        in = out;
      }
    }
    BeginStage(4);
    bn1_ = BatchNorm2d::Make(*this, "bn1", in);
    fc_ = Linear::Make(*this, "fc", Uniform({classes, in}, 1.0 / std::sqrt(in), generator),
                       at::zeros({classes}));
  }

  at::Tensor Features(const at::Tensor& input) override {
    at::Tensor x = conv1_(input);
    for (int stage = 1; stage <= 3; ++stage) {
      for (const Block& block : stages_[stage - 1]) x = block(x, training(stage), draw());
    }
    x = bn1_.Rectified(x, training(4));
    return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
  }
  at::Tensor Logits(const at::Tensor& features) override { return fc_(features); }

 private:
  Block MakeBlock(const std::string& name, int64_t in, int64_t out, int64_t stride, double dropout,
                  at::Generator& generator) {
    Block block;
    block.bn1 = BatchNorm2d::Make(*this, name + ".bn1", in);
    block.conv1 = Conv2d::Make(*this, name + ".conv1", in, out, 3, stride, 1, generator);
    block.bn2 = BatchNorm2d::Make(*this, name + ".bn2", out);
    block.conv2 = Conv2d::Make(*this, name + ".conv2", out, out, 3, 1, 1, generator);
    if (in != out) {
      block.shortcut =
          Conv2d::Make(*this, name + ".convShortcut", in, out, 1, stride, 0, generator);
    }
    block.dropout = Dropout::Make(*this, dropout);
    return block;
  }

  Conv2d conv1_;
  std::vector<Block> stages_[3];
  BatchNorm2d bn1_;
  Linear fc_;
};

}  // namespace

std::unique_ptr<Model> MakeWideResnet(const spec::ModelPlan& plan, int64_t classes,
                                      at::Generator& generator) {
  return std::make_unique<WideResnet>(plan, classes, generator);
}

}  // namespace skytrain::training
