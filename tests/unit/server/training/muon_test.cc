#include "server/training/optim/muon.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/CPUGeneratorImpl.h"
#include "ATen/core/grad_mode.h"
#include "gtest/gtest.h"
#include "server/training/models/factory.h"
#include "server/training/optim/optimizer.h"

namespace skytrain::training {
namespace {

at::Tensor Random(at::IntArrayRef shape, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape).normal_(0.0, 1.0, generator);
}

at::Tensor SingularValues(const at::Tensor& matrix) {
  return std::get<1>(at::svd(matrix.to(at::kDouble)));
}

TEST(MuonTest, SingularValuesComeNearOneWhateverTheShape) {
  const at::Tensor narrow = Random({48, 24}, 1);
  for (const at::Tensor& matrix : {narrow, narrow.t(), Random({32, 96}, 2), 1e-6 * narrow}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      const at::Tensor found = SingularValues(Orthogonalised(matrix, type));
      EXPECT_GT(found.min().item<double>(), 0.65) << matrix.sizes() << type;
      EXPECT_LT(found.max().item<double>(), 1.25) << matrix.sizes() << type;
    }
  }
}

// On each singular value it is a polynomial, and the singular vectors stay.
TEST(MuonTest, SingularValuesOfADiagonalFollowThePolynomial) {
  const auto expected = [](double x) {
    for (int i = 0; i < 5; ++i) x = 3.4445 * x - 4.7750 * x * x * x + 2.0315 * std::pow(x, 5);
    return x;
  };
  const at::Tensor found = Orthogonalised(at::diag(at::tensor({3.0F, 4.0F})), at::kFloat);
  EXPECT_NEAR(found[0][0].item<double>(), expected(0.6), 1e-5);
  EXPECT_NEAR(found[1][1].item<double>(), expected(0.8), 1e-5);
  EXPECT_NEAR(found[0][1].item<double>(), 0.0, 1e-6);
}

// Three steps of a [3, 2] matrix: the formulas in float64, and torch.optim.Muon of PyTorch 2.11,
// which multiplies in bfloat16 (make_muon_reference.py).
TEST(MuonTest, StepsFollowTheReference) {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = at::tensor({0.5F, -0.25F, 1.0F, 0.75F, -0.5F, 0.125F}).view({3, 2});
  const at::Tensor buffer = at::zeros_like(weight);
  const std::vector<at::Tensor> gradients = {
      at::tensor({1.0F, 2.0F, 0.5F, -1.0F, 0.25F, 0.75F}).view({3, 2}),
      at::tensor({-0.5F, 1.0F, 2.0F, 0.25F, 1.5F, -0.75F}).view({3, 2}),
      at::tensor({0.125F, -1.0F, 0.75F, 1.5F, -2.0F, 0.5F}).view({3, 2})};
  for (const at::Tensor& gradient : gradients) {
    StepByMuon(weight, gradient, buffer,
               {at::scalar_tensor(0.1, at::kDouble), 0.95, 0.01, at::kFloat});
  }
  const double expected[] = {0.42619725793167085, -0.42584092914841504, 0.7186345174496522,
                             0.7578536443797077,  -0.5078757738177202,  0.020498447892754942};
  const double torch[] = {0.42518916726112366, -0.42653217911720276, 0.7165119051933289,
                          0.7560921907424927,  -0.5067795515060425,  0.01821500062942505};
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(weight.flatten()[i].item<double>(), expected[i], 2e-5) << i;
    EXPECT_NEAR(weight.flatten()[i].item<double>(), torch[i], 4e-3) << i;
  }
}

// Whatever the order of the memory of weight and gradient.
TEST(MuonTest, ConvolutionIsSteppedAsTheMatrixOfItsRows) {
  const at::NoGradGuard no_grad;
  const at::Tensor start = Random({6, 4, 3, 3}, 3), gradient = Random({6, 4, 3, 3}, 4);
  const MuonStep step = {at::scalar_tensor(0.1, at::kDouble), 0.9, 0.01, at::kFloat};
  const at::Tensor matrix = start.reshape({6, 36}).clone();
  StepByMuon(matrix, gradient.reshape({6, 36}), at::zeros_like(matrix), step);
  const at::Tensor channels_last = gradient.contiguous(at::MemoryFormat::ChannelsLast);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const at::Tensor& of : {gradient, channels_last}) {
      const at::Tensor weight = start.clone().contiguous(format);
      StepByMuon(weight, of, at::zeros_like(weight), step);
      EXPECT_TRUE(weight.contiguous().view({6, 36}).allclose(matrix, 1e-4, 1e-5));
    }
  }
}

TEST(MuonTest, AdamWStepsFirstAndLastLayersNormsAndBiases) {
  spec::ModelPlan small;
  small.family = spec::ModelPlan::Family::kSmallCnn;
  small.width = 4;
  spec::ModelPlan vit;
  vit.family = spec::ModelPlan::Family::kVit;
  const struct {
    spec::ModelPlan plan;
    int64_t inputs;
    std::set<std::string> by_muon, by_adamw;  // Some of each.
    size_t muons;
  } cases[] = {{small,
                3 * 16 * 16,
                {"features.1.conv.weight", "features.3.conv.weight"},
                {"features.0.conv.weight", "features.1.bn.weight", "features.1.bn.bias",
                 "fc.weight", "fc.bias"},
                3},
               {vit,
                3 * 32 * 32,
                {"encoder.layers.encoder_layer_0.self_attention.in_proj_weight",
                 "encoder.layers.encoder_layer_11.mlp.3.weight"},
                {"class_token", "conv_proj.weight", "encoder.pos_embedding", "encoder.ln.weight",
                 "heads.head.weight"},
                48}};
  for (const auto& test : cases) {
    const auto model = MakeModel(test.plan, 3, test.inputs, 1);
    ASSERT_TRUE(model.ok()) << model.status();
    (*model)->Prepare(c10::Device(c10::kCPU));
    spec::OptimizerPlan plan;
    plan.kind = spec::OptimizerPlan::Kind::kMuon;
    std::set<std::string> muon, adamw;
    for (const NamedTensor& named : Optimizer(plan, **model).State()) {
      const size_t dot = named.name.find('.');
      if (dot == std::string::npos) continue;
      const std::string kind = named.name.substr(0, dot), name = named.name.substr(dot + 1);
      (kind == "momentum_buffer" ? muon : adamw).insert(name);
    }
    EXPECT_EQ(muon.size(), test.muons);
    for (const std::string& name : test.by_muon) EXPECT_TRUE(muon.contains(name)) << name;
    for (const std::string& name : test.by_adamw) EXPECT_TRUE(adamw.contains(name)) << name;
    for (const std::string& name : muon) EXPECT_FALSE(adamw.contains(name)) << name;
  }
}

// One matrix between two others.
class ThreeLayers final : public Model {
 public:
  ThreeLayers() {
    for (const char* name : {"a", "b", "c"}) {
      AddParameter(std::string(name) + ".weight", at::full({2, 2}, 1.0), true);
    }
    AddParameter("c.bias", at::full({2}, 1.0), false);
    Prepare(c10::Device(c10::kCPU));
    for (const Parameter& parameter : parameters()) {
      parameter.tensor.mutable_grad() = parameter.tensor.dim() == 1 ? at::ones({2}) : at::eye(2);
    }
  }
  at::Tensor Features(const at::Tensor& input) override { return input; }
  at::Tensor Logits(const at::Tensor& features) override { return features; }
};

TEST(MuonTest, ScheduleScalesBothLearningRates) {
  spec::OptimizerPlan plan;
  plan.kind = spec::OptimizerPlan::Kind::kMuon;
  plan.lr = 0.2;
  plan.adamw_lr = 0.01;
  plan.momentum = 0.95;
  plan.weight_decay = 0.0;
  ThreeLayers model;
  Optimizer optimizer(plan, model);
  optimizer.Step(at::scalar_tensor(0.1, at::kDouble));  // Half of the peak.
  // AdamW's first step is its learning rate; the identity's singular values are alike.
  EXPECT_NEAR(model.parameters()[0].tensor[0][0].item<double>(), 1.0 - 0.005, 1e-5);
  EXPECT_NEAR(model.parameters()[2].tensor[0][0].item<double>(), 1.0 - 0.005, 1e-5);
  EXPECT_NEAR(model.parameters()[1].tensor[0][0].item<double>(), 1.0 - 0.1, 0.04);
  EXPECT_NEAR(model.parameters()[1].tensor[0][1].item<double>(), 1.0, 1e-5);
}

}  // namespace
}  // namespace skytrain::training
