#include "server/training/models/resnet.h"

#include <optional>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
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

  at::Tensor operator()(const at::Tensor& x, bool training) const {
    at::Tensor out = x;
    for (size_t i = 0; i < convs.size(); ++i) {
      out = norms[i](convs[i](out), training);
      if (i + 1 < convs.size()) out = out.relu_();
    }
    out += downsample ? downsample->norm(downsample->conv(x), training) : x;
    return out.relu_();
  }
};

class Resnet final : public Model {
 public:
  Resnet(const std::vector<int>& blocks, bool bottleneck, int64_t classes,
         at::Generator& generator) {
    conv1_ = Conv2d::Make(*this, "conv1", 3, 64, 7, 2, 3, generator);
    bn1_ = BatchNorm2d::Make(*this, "bn1", 64);
    const int64_t expansion = bottleneck ? 4 : 1;
    int64_t in = 64;
    for (int stage = 0; stage < 4; ++stage) {
      const int64_t width = int64_t{64} << stage;
      for (int i = 0; i < blocks[stage]; ++i) {
        const int64_t stride = stage > 0 && i == 0 ? 2 : 1;
        AddBlock(absl::StrCat("layer", stage + 1, ".", i), in, width, width * expansion, stride,
                 bottleneck, generator);
        in = width * expansion;
      }
    }
    fc_ = Linear::Make(*this, "fc", in, classes, generator);
  }

  at::Tensor Forward(const at::Tensor& input) override {
    at::Tensor x = bn1_(conv1_(input), training()).relu_();
    x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (const Block& block : blocks_) x = block(x, training());
    return fc_(at::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }

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

  Conv2d conv1_;
  BatchNorm2d bn1_;
  std::vector<Block> blocks_;
  Linear fc_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeResnet(int depth, int64_t classes,
                                                  at::Generator& generator) {
  if (depth == 18) {
    return std::make_unique<Resnet>(std::vector<int>{2, 2, 2, 2}, false, classes, generator);
  }
  if (depth == 34) {
    return std::make_unique<Resnet>(std::vector<int>{3, 4, 6, 3}, false, classes, generator);
  }
  if (depth == 50) {
    return std::make_unique<Resnet>(std::vector<int>{3, 4, 6, 3}, true, classes, generator);
  }
  return absl::InvalidArgumentError(absl::StrCat("no ResNet of depth ", depth));
}

}  // namespace skytrain::training
