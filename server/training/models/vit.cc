#include "server/training/models/vit.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "server/training/models/dropout.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

constexpr int64_t kWidth = 384, kHeads = 6, kLayers = 12, kHidden = 4 * kWidth;
constexpr int64_t kLayersOfAStage = kLayers / 4;

struct Layer {
  LayerNorm ln1, ln2;
  Linear in_proj, out_proj, up, down;
  Dropout after_attention, after_gelu, after_down;

  at::Tensor operator()(const at::Tensor& x, bool training, const StepDraw& draw) const {
    const at::Tensor out = x + after_attention(Attend(ln1(x)), training, draw);
    const at::Tensor hidden = after_gelu(at::gelu(up(ln2(out))), training, draw);
    return out + after_down(down(hidden), training, draw);
  }

  // x: [N, tokens, kWidth].
  at::Tensor Attend(const at::Tensor& x) const {
    const int64_t n = x.size(0), tokens = x.size(1);
    // [3, N, heads, tokens, kWidth / heads]
    const at::Tensor qkv =
        in_proj(x).view({n, tokens, 3, kHeads, kWidth / kHeads}).permute({2, 0, 3, 1, 4});
    const at::Tensor mixed =
        at::scaled_dot_product_attention(qkv.select(0, 0), qkv.select(0, 1), qkv.select(0, 2));
    return out_proj(mixed.transpose(1, 2).reshape({n, tokens, kWidth}));
  }
};

class Vit final : public Model {
 public:
  Vit(const spec::ModelPlan& plan, int64_t size, int64_t classes, at::Generator& generator) {
    const int64_t patches = (size / plan.patch) * (size / plan.patch);
    class_token_ = AddParameter("class_token", at::zeros({1, 1, kWidth}), /*decay=*/false);
    const double fan_in = static_cast<double>(3 * plan.patch * plan.patch);
    patches_ = Conv2d::Make(
        *this, "conv_proj",
        Normal({kWidth, 3, plan.patch, plan.patch}, std::sqrt(1.0 / fan_in), generator),
        /*biased=*/true, plan.patch, 0);
    positions_ = AddParameter("encoder.pos_embedding",
                              Normal({1, patches + 1, kWidth}, 0.02, generator), /*decay=*/false);
    dropout_ = Dropout::Make(*this, plan.dropout);
    for (int64_t i = 0; i < kLayers; ++i) {
      BeginStage(static_cast<int>(i / kLayersOfAStage) + 1);
      layers_.push_back(
          MakeLayer(absl::StrCat("encoder.layers.encoder_layer_", i), plan.dropout, generator));
    }
    BeginStage(5);
    norm_ = LayerNorm::Make(*this, "encoder.ln", kWidth);
    head_ = Linear::Make(*this, "heads.head", at::zeros({classes, kWidth}), at::zeros({classes}));
  }

  at::Tensor Features(const at::Tensor& input) override {
    at::Tensor x = patches_(input).flatten(2).transpose(1, 2);
    x = at::cat({class_token_.expand({x.size(0), 1, kWidth}).to(x.scalar_type()), x}, 1);
    x = dropout_(x + positions_.to(x.scalar_type()), training(0), draw());
    for (int64_t i = 0; i < kLayers; ++i) {
      x = layers_[i](x, training(static_cast<int>(i / kLayersOfAStage) + 1), draw());
    }
    return norm_(x).select(1, 0);
  }
  at::Tensor Logits(const at::Tensor& features) override { return head_(features); }

 private:
  Layer MakeLayer(const std::string& name, double dropout, at::Generator& generator) {
    const auto xavier = [&](int64_t out, int64_t in) {
      return XavierUniform({out, in}, generator);
    };
    Layer layer;
    layer.ln1 = LayerNorm::Make(*this, name + ".ln_1", kWidth);
    // torch.nn.MultiheadAttention joins the three with an underscore.
    layer.in_proj.weight =
        AddParameter(name + ".self_attention.in_proj_weight", xavier(3 * kWidth, kWidth), true);
    layer.in_proj.bias =
        AddParameter(name + ".self_attention.in_proj_bias", at::zeros({3 * kWidth}), false);
    layer.out_proj = Linear::Make(*this, name + ".self_attention.out_proj",
                                  Uniform({kWidth, kWidth}, 1.0 / std::sqrt(kWidth), generator),
                                  at::zeros({kWidth}));
    layer.ln2 = LayerNorm::Make(*this, name + ".ln_2", kWidth);
    at::Tensor up = xavier(kHidden, kWidth);
    layer.up =
        Linear::Make(*this, name + ".mlp.0", std::move(up), Normal({kHidden}, 1e-6, generator));
    at::Tensor down = xavier(kWidth, kHidden);
    layer.down =
        Linear::Make(*this, name + ".mlp.3", std::move(down), Normal({kWidth}, 1e-6, generator));
    layer.after_attention = Dropout::Make(*this, dropout);
    layer.after_gelu = Dropout::Make(*this, dropout);
    layer.after_down = Dropout::Make(*this, dropout);
    return layer;
  }

  Conv2d patches_;
  at::Tensor class_token_;  // [1, 1, kWidth]
  at::Tensor positions_;    // [1, patches + 1, kWidth]
  Dropout dropout_;
  std::vector<Layer> layers_;
  LayerNorm norm_;
  Linear head_;
};

}  // namespace

std::unique_ptr<Model> MakeVit(const spec::ModelPlan& plan, int64_t size, int64_t classes,
                               at::Generator& generator) {
  return std::make_unique<Vit>(plan, size, classes, generator);
}

}  // namespace skytrain::training
