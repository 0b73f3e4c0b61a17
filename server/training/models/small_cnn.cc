#include "server/training/models/small_cnn.h"

#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

class SmallCnn final : public Model {
 public:
  SmallCnn(int width, int64_t classes, at::Generator& generator) {
    int64_t in = 3;
    for (int i = 0; i < 4; ++i) {
      BeginStage(i);
      const int64_t out = static_cast<int64_t>(width) << i;
      const std::string name = absl::StrCat("features.", i);
      convs_.push_back(Conv2d::Make(*this, name + ".conv", in, out, 3, 1, 1, generator));
      norms_.push_back(BatchNorm2d::Make(*this, name + ".bn", out));
      in = out;
    }
    BeginStage(4);
    fc_ = Linear::Make(*this, "fc", in, classes, generator);
  }

  at::Tensor Features(const at::Tensor& input) override {
    at::Tensor x = input;
    for (size_t i = 0; i < convs_.size(); ++i) {
      x = norms_[i].Rectified(convs_[i](x), training(static_cast<int>(i)));
      if (x.size(2) >= 2 && x.size(3) >= 2) x = at::max_pool2d(x, {2, 2});
    }
    return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
  }
  at::Tensor Logits(const at::Tensor& features) override { return fc_(features); }

 private:
  std::vector<Conv2d> convs_;
  std::vector<BatchNorm2d> norms_;
  Linear fc_;
};

}  // namespace

std::unique_ptr<Model> MakeSmallCnn(int width, int64_t classes, at::Generator& generator) {
  return std::make_unique<SmallCnn>(width, classes, generator);
}

}  // namespace skytrain::training
