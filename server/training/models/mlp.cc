#include "server/training/models/mlp.h"

#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

class Mlp final : public Model {
 public:
  Mlp(const spec::ModelPlan& plan, int64_t inputs, int64_t classes, at::Generator& generator)
      : activation_(plan.activation) {
    int64_t in = inputs;
    for (const int width : plan.hidden) {
      layers_.push_back(
          Linear::Make(*this, absl::StrCat(2 * layers_.size()), in, width, generator));
      in = width;
      BeginStage(static_cast<int>(layers_.size()));
    }
    layers_.push_back(
        Linear::Make(*this, absl::StrCat(2 * layers_.size()), in, classes, generator));
  }

  at::Tensor Features(const at::Tensor& input) override {
    at::Tensor x = input.flatten(1);
    for (size_t i = 0; i + 1 < layers_.size(); ++i) x = Activate(layers_[i](x));
    return x;
  }
  at::Tensor Logits(const at::Tensor& features) override { return layers_.back()(features); }

 private:
  at::Tensor Activate(const at::Tensor& x) const {
    switch (activation_) {
      case spec::ModelPlan::Activation::kTanh:
        return at::tanh(x);
      case spec::ModelPlan::Activation::kGelu:
        return at::gelu(x);
      case spec::ModelPlan::Activation::kRelu:
        break;
    }
    return at::relu(x);
  }

  spec::ModelPlan::Activation activation_;
  std::vector<Linear> layers_;
};

}  // namespace

std::unique_ptr<Model> MakeMlp(const spec::ModelPlan& plan, int64_t inputs, int64_t classes,
                               at::Generator& generator) {
  return std::make_unique<Mlp>(plan, inputs, classes, generator);
}

}  // namespace skytrain::training
