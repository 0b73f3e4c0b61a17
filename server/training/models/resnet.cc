#include "server/training/models/resnet.h"

#include <optional>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "server/training/models/dropout.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

struct Downsample {
  Conv2d conv;
  BatchNorm2d norm;
};

// Two 3x3 convolutions, or 1x1, 3x3, 1x1 where `bottleneck`.
struct Block {
  std::vector<Conv2d> convs;
  std::vector<BatchNorm2d> norms;
  std::optional<Downsample> downsample;
  int stage = 0;

  at::Tensor operator()(const at::Tensor& x, bool training) const {
    const at::Tensor shortcut = downsample ? downsample->norm(downsample->conv(x), training) : x;
    at::Tensor out = x;
    for (size_t i = 0; i < convs.size(); ++i) {
      const bool last = i + 1 == convs.size();
      out = norms[i].Rectified(convs[i](out), training, last ? shortcut : at::Tensor());
    }
    return out;
  }
};

class Resnet final : public Model {
 public:
  Resnet(const spec::ModelPlan& plan, const std::vector<int>& blocks, bool bottleneck,
         int64_t classes, at::Generator& generator)
      : cifar_(plan.stem == spec::ModelPlan::Stem::kCifar) {
    int64_t in = plan.channels;
    conv1_ = cifar_ ? Conv2d::Make(*this, "conv1", 3, in, 3, 1, 1, generator)
                    : Conv2d::Make(*this, "conv1", 3, in, 7, 2, 3, generator);
    bn1_ = BatchNorm2d::Make(*this, "bn1", in);
    const int64_t expansion = bottleneck ? 4 : 1;
    for (int stage = 0; stage < 4; ++stage) {
      BeginStage(stage + 1);
      const int64_t width = int64_t{plan.channels} << stage;
      for (int i = 0; i < blocks[stage]; ++i) {
        const int64_t stride = stage > 0 && i == 0 ? 2 : 1;
        AddBlock(absl::StrCat("layer", stage + 1, ".", i), in, width, width * expansion, stride,
                 bottleneck, generator);
        blocks_.back().stage = stage + 1;
        in = width * expansion;
      }
    }
    BeginStage(5);
    dropout_ = Dropout::Make(*this, plan.dropout);
    fc_ = Linear::Make(*this, "fc", in, classes, generator);
  }

  at::Tensor Features(const at::Tensor& input) override {
    at::Tensor x = bn1_.Rectified(conv1_(input), training(0));
    if (!cifar_) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (const Block& block : blocks_) x = block(x, training(block.stage));
    x = at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
    return dropout_(x, training(), draw());
  }
  at::Tensor Logits(const at::Tensor& features) override { return fc_(features); }

 private:
  void AddBlock(const std::string& name, int64_t in, int64_t width, int64_t out, int64_t stride,
                bool bottleneck, at::Generator& generator) {
    Block block;
    const auto add = [&](int64_t from, int64_t to, int64_t kernel, int64_t step) {
      const size_t n = block.convs.size() + 1;
      block.convs.push_back(Conv2d::Make(*this, absl::StrCat(name, ".conv", n), from, to, kernel,
                                         step, kernel / 2, generator));
      block.norms.push_back(BatchNorm2d::Make(*this, absl::StrCat(name, ".bn", n), to));
    };
    if (bottleneck) {
      add(in, width, 1, 1);
      add(width, width, 3, stride);
      add(width, out, 1, 1);
    } else {
      add(in, width, 3, stride);
      add(width, out, 3, 1);
    }
    if (stride != 1 || in != out) {
      Downsample downsample;
      downsample.conv =
          Conv2d::Make(*this, name + ".downsample.0", in, out, 1, stride, 0, generator);
      downsample.norm = BatchNorm2d::Make(*this, name + ".downsample.1", out);
      block.downsample = downsample;
    }
    blocks_.push_back(std::move(block));
  }

  const bool cifar_;
  Conv2d conv1_;
  BatchNorm2d bn1_;
  std::vector<Block> blocks_;
  Dropout dropout_;
  Linear fc_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeResnet(const spec::ModelPlan& plan, int64_t classes,
                                                  at::Generator& generator) {
  std::vector<int> blocks;
  switch (plan.depth) {
    case 18:
      blocks = {2, 2, 2, 2};
      break;
    case 34:
    case 50:
      blocks = {3, 4, 6, 3};
      break;
    case 101:
      blocks = {3, 4, 23, 3};
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat("no ResNet of depth ", plan.depth));
  }
  return std::make_unique<Resnet>(plan, blocks, plan.depth >= 50, classes, generator);
}

}  // namespace skytrain::training
