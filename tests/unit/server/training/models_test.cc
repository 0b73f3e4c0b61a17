#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest/digest.h"
#include "golden_logits.h"
#include "gtest/gtest.h"
#include "server/spec/check.h"
#include "server/spec/model_check.h"
#include "server/training/models/factory.h"

namespace skytrain::training {
namespace {

using Family = spec::ModelPlan::Family;

spec::ModelPlan Plan(Family family, int depth = 18) {
  spec::ModelPlan plan;
  plan.family = family;
  plan.depth = depth;
  return plan;
}

std::unique_ptr<Model> Make(const spec::ModelPlan& plan, int64_t classes, int64_t inputs = 3072) {
  auto model = MakeModel(plan, classes, inputs, /*seed=*/1);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

// One of each, small where that can be chosen.
std::vector<spec::ModelPlan> EveryPlan() {
  std::vector<spec::ModelPlan> plans = {
      Plan(Family::kResnet, 18), Plan(Family::kResnet, 50),   Plan(Family::kResnet, 101),
      Plan(Family::kSmallCnn),   Plan(Family::kMlp),          Plan(Family::kWideResnet, 16),
      Plan(Family::kConvnext),   Plan(Family::kEfficientnet), Plan(Family::kVit)};
  plans[4].hidden = {7, 5};
  plans[5].widen = 2;
  plans[8].patch = 8;
  plans.push_back(Plan(Family::kConvnext));
  plans.back().convnext = spec::ModelPlan::Convnext::kNano;
  return plans;
}

// Entry i of tensor t, in [0, 1): the same integers in make_golden_logits.py.
at::Tensor Uniform01(at::IntArrayRef shape, uint32_t t) {
  at::Tensor tensor = at::empty(shape);
  float* values = tensor.mutable_data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    uint32_t x = static_cast<uint32_t>(i) * 2654435761U + t * 40503U + 977U;
    x ^= x >> 15;
    x *= 2246822519U;
    x ^= x >> 13;
    values[i] = static_cast<float>(x >> 8) / 16777216.0F;
  }
  return tensor;
}

// torchvision.models.resnetN(num_classes=1000): parameters and entries of its state_dict.
TEST(ModelsTest, ResnetsHaveTorchvisionsSizes) {
  const struct {
    int depth;
    int64_t parameters;
    size_t entries;
  } cases[] = {{18, 11689512, 122}, {34, 21797672, 218}, {50, 25557032, 320}, {101, 44549160, 626}};
  for (const auto& test : cases) {
    const auto model = Make(Plan(Family::kResnet, test.depth), 1000);
    EXPECT_EQ(model->ParameterCount(), test.parameters) << test.depth;
    EXPECT_EQ(model->State().size(), test.entries) << test.depth;
  }
}

TEST(ModelsTest, ResnetsHaveTorchvisionsNames) {
  std::set<std::string> names;
  for (const NamedTensor& named : Make(Plan(Family::kResnet, 50), 5)->State()) {
    EXPECT_TRUE(names.insert(named.name).second) << named.name;
  }
  for (const char* name :
       {"conv1.weight", "bn1.running_var", "bn1.num_batches_tracked", "layer1.0.conv3.weight",
        "layer1.0.downsample.0.weight", "layer1.0.downsample.1.running_mean", "layer3.5.bn2.bias",
        "layer4.2.conv1.weight", "fc.weight", "fc.bias"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(ModelsTest, ParameterCountsAgreeWithTheEstimate) {
  std::vector<spec::ModelPlan> plans = EveryPlan();
  plans.push_back(Plan(Family::kResnet, 34));
  plans.push_back(Plan(Family::kMlp));
  plans.push_back(Plan(Family::kWideResnet, 10));
  plans.back().widen = 1;  // Without a shortcut in the first group.
  for (const spec::ModelPlan& plan : plans) {
    EXPECT_EQ(Make(plan, 5)->ParameterCount(), spec::CountParameters(plan, 5, 3072, 32))
        << plan.Name();
  }
}

TEST(ModelsTest, WidthAndStemOfAResnetAreThoseOfThePlan) {
  spec::ModelPlan plan = Plan(Family::kResnet, 18);
  plan.channels = 6;
  plan.stem = spec::ModelPlan::Stem::kCifar;
  const auto model = Make(plan, 5);
  EXPECT_EQ(model->ParameterCount(), spec::CountParameters(plan, 5, 3072, 32));
  std::map<std::string, at::Tensor> state;
  for (const NamedTensor& named : model->State()) state[named.name] = named.tensor;
  EXPECT_EQ(state["conv1.weight"].sizes(), (std::vector<int64_t>{6, 3, 3, 3}));
  EXPECT_EQ(state["layer4.0.conv1.weight"].sizes(), (std::vector<int64_t>{48, 24, 3, 3}));
  EXPECT_EQ(state["fc.weight"].sizes(), (std::vector<int64_t>{5, 48}));
}

TEST(ModelsTest, DropoutChangesLogitsInTrainingModeOnly) {
  const at::NoGradGuard no_grad;
  spec::ModelPlan plan = Plan(Family::kResnet, 18);
  plan.channels = 4;
  plan.dropout = 0.5;
  const auto model = Make(plan, 5);
  model->Prepare(c10::Device(c10::kCPU));
  const at::Tensor input = at::ones({4, 3, 32, 32});
  const auto logits = [&](int64_t step) {
    model->SetDraw({1, step, 0});
    return model->Forward(input);
  };
  const at::Tensor first = logits(1);
  EXPECT_FALSE(first.equal(logits(2)));
  EXPECT_TRUE(first.equal(logits(1)));
  model->SetTraining(false);
  EXPECT_TRUE(logits(1).equal(logits(2)));
}

TEST(ModelsTest, UnknownDepthIsRefused) {
  EXPECT_FALSE(MakeModel(Plan(Family::kResnet, 19), 5, 3072, 1).ok());
}

TEST(ModelsTest, StartingWeightsDependOnTheSeedAlone) {
  const auto weight = [](uint64_t seed) {
    return (*MakeModel(Plan(Family::kSmallCnn), 3, 3072, seed))->parameters()[0].tensor;
  };
  EXPECT_TRUE(weight(4).equal(weight(4)));
  EXPECT_FALSE(weight(4).equal(weight(5)));
}

TEST(ModelsTest, ConvolutionsStartKaimingNormalFanOut) {
  const auto model = Make(Plan(Family::kResnet, 18), 5);
  for (const Parameter& parameter : model->parameters()) {
    if (parameter.name != "layer4.1.conv2.weight") continue;
    EXPECT_NEAR(parameter.tensor.std().item<double>(), std::sqrt(2.0 / (512 * 9)), 1e-4);
    EXPECT_NEAR(parameter.tensor.mean().item<double>(), 0.0, 1e-4);
  }
}

TEST(ModelsTest, NormsAndBiasesAreNotDecayed) {
  for (const Parameter& parameter : Make(Plan(Family::kResnet, 18), 5)->parameters()) {
    EXPECT_EQ(parameter.decay, parameter.tensor.dim() > 1) << parameter.name;
  }
}

TEST(ModelsTest, EveryFamilyGivesOneLogitAClassAndAGradientToEveryParameter) {
  for (spec::ModelPlan plan : EveryPlan()) {
    if (plan.depth > 50) continue;  // As 50, only slower.
    plan.dropout = plan.stochastic_depth = 0.2;
    const auto model = Make(plan, 4);
    for (const Parameter& parameter : model->parameters()) {
      // A last layer that starts at 0 gives no gradient to what is before it.
      if (parameter.name == "heads.head.weight") parameter.tensor.fill_(0.1).select(0, 0).zero_();
    }
    model->Prepare(c10::Device(c10::kCPU));
    model->SetDraw({1, 1, 0});
    const at::Tensor logits =
        model->Forward(Uniform01({4, 3, 32, 32}, 0).contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{4, 4})) << plan.Name();
    at::log_softmax(logits, 1).select(1, 1).sum().neg().backward();
    for (const Parameter& parameter : model->parameters()) {
      ASSERT_TRUE(parameter.tensor.grad().defined()) << plan.Name() << " " << parameter.name;
      EXPECT_TRUE(parameter.tensor.grad().isfinite().all().item<bool>()) << parameter.name;
    }
  }
}

TEST(ModelsTest, LastLayerOfTheFeaturesGivesTheLogits) {
  const at::NoGradGuard no_grad;
  for (const spec::ModelPlan& plan : EveryPlan()) {
    const auto model = Make(plan, 4);
    model->SetTraining(false);
    const at::Tensor input = Uniform01({2, 3, 32, 32}, 3);
    at::Tensor features;
    const at::Tensor logits = model->Forward(input, &features);
    ASSERT_EQ(features.sizes(), at::IntArrayRef({2, model->FeatureCount()})) << plan.Name();
    std::map<std::string, at::Tensor> state;
    for (const NamedTensor& named : model->State()) state[named.name] = named.tensor;
    const at::Tensor again = at::linear(features, state.at(model->Head() + ".weight"),
                                        state.at(model->Head() + ".bias"));
    EXPECT_TRUE(again.allclose(logits, 1e-5, 1e-6)) << plan.Name();
    EXPECT_TRUE(model->Forward(input).equal(logits)) << plan.Name();
  }
}

TEST(ModelsTest, EveryStageHasAParameterAndTheLastLayerIsTheHead) {
  for (const spec::ModelPlan& plan : EveryPlan()) {
    const auto model = Make(plan, 4);
    const int head = static_cast<int>(spec::StageNames(plan).size());
    std::set<int> stages;
    for (const Parameter& parameter : model->parameters()) {
      stages.insert(parameter.stage);
      if (parameter.name == model->Head() + ".weight") {
        EXPECT_EQ(parameter.tensor.size(0), 4) << plan.Name();
        EXPECT_EQ(parameter.stage, head) << plan.Name();
      }
    }
    EXPECT_EQ(*stages.rbegin(), head) << plan.Name();
    EXPECT_EQ(static_cast<int>(stages.size()), head + 1) << plan.Name();
  }
}

TEST(ModelsTest, FrozenStagesKeepWeightsAndStatistics) {
  for (const spec::ModelPlan& plan : EveryPlan()) {
    if (plan.depth > 18 || plan.family == Family::kMlp) continue;
    const auto model = Make(plan, 4);
    model->Freeze(0);
    model->Freeze(1);
    model->Prepare(c10::Device(c10::kCPU));
    std::map<std::string, at::Tensor> before;
    for (const NamedTensor& named : model->buffers()) before[named.name] = named.tensor.clone();
    model->Forward(Uniform01({4, 3, 32, 32}, 0)).sum().backward();
    int frozen = 0, trained = 0;
    for (const Parameter& parameter : model->parameters()) {
      const bool has_gradient = parameter.tensor.grad().defined();
      EXPECT_EQ(has_gradient, parameter.stage > 1) << plan.Name() << " " << parameter.name;
      ++(has_gradient ? trained : frozen);
      // The buffers of a norm change with its weight.
      const std::string norm = parameter.name.substr(0, parameter.name.rfind('.'));
      if (!before.contains(norm + ".running_mean")) continue;
      for (const NamedTensor& named : model->buffers()) {
        if (named.name != norm + ".running_mean") continue;
        EXPECT_EQ(named.tensor.equal(before[named.name]), !has_gradient) << named.name;
      }
    }
    EXPECT_GT(frozen, 0) << plan.Name();
    EXPECT_GT(trained, 0) << plan.Name();
  }
}

TEST(ModelsTest, LayerDecayShrinksTheRatesTowardsTheInput) {
  const auto model = Make(Plan(Family::kResnet), 4);
  model->SetLayerDecay(0.5);
  for (const Parameter& parameter : model->parameters()) {
    const double expected = parameter.name == "conv1.weight" ? 1.0 / 32
                            : parameter.stage == 4           ? 0.5
                            : parameter.stage == 5           ? 1.0
                                                             : parameter.lr_scale;
    EXPECT_EQ(parameter.lr_scale, expected) << parameter.name;
  }
}

// The networks of make_golden_logits.py.
spec::ModelPlan GoldenPlan(const std::string& network) {
  if (network == "resnet18_cifar") {
    spec::ModelPlan plan = Plan(Family::kResnet);
    plan.stem = spec::ModelPlan::Stem::kCifar;
    return plan;
  }
  for (const spec::ModelPlan& plan : EveryPlan()) {
    if (plan.Name() == network) return plan;
  }
  ADD_FAILURE() << "no plan of " << network;
  return {};
}

class GoldenLogitsTest : public testing::TestWithParam<GoldenLogits> {
 protected:
  void SetUp() override {
    plan_ = GoldenPlan(GetParam().network);
    model_ = Make(plan_, GetParam().classes, 3 * GetParam().size * GetParam().size);
    for (const NamedTensor& named : model_->State()) state_[named.name] = named.tensor;
  }

  spec::ModelPlan plan_;
  std::unique_ptr<Model> model_;
  std::map<std::string, at::Tensor> state_;  // By name: the order of both sides.
};

TEST_P(GoldenLogitsTest, NamesShapesAndCountsAreTorchvisions) {
  std::string shapes;
  for (const auto& [name, tensor] : state_) {
    absl::StrAppend(&shapes, name, " ", absl::StrJoin(tensor.sizes(), ","), "\n");
  }
  EXPECT_EQ(Sha256Hex(shapes), GetParam().state) << shapes;
  EXPECT_EQ(model_->ParameterCount(), GetParam().parameters);
  EXPECT_EQ(spec::CountParameters(plan_, static_cast<int>(GetParam().classes), 0,
                                  static_cast<int>(GetParam().size)),
            GetParam().parameters);
}

// Weights by formula, so that only torchvision's logits need to be stored.
TEST_P(GoldenLogitsTest, LogitsAreTorchvisions) {
  const at::NoGradGuard no_grad;
  model_->Prepare(c10::Device(c10::kCPU));
  model_->SetTraining(false);
  uint32_t t = 0;
  for (auto& [name, tensor] : state_) {
    ++t;
    if (!tensor.is_floating_point()) continue;
    const at::Tensor uniform = Uniform01(tensor.sizes(), t);
    if (tensor.dim() > 1) {
      const double fan_in = static_cast<double>(tensor.numel() / tensor.size(0));
      tensor.copy_((uniform - 0.5) * (2.0 * std::sqrt(6.0 / fan_in)));
    } else {
      tensor.copy_(uniform + 0.5);
    }
  }
  const int64_t size = GetParam().size;
  const at::Tensor input =
      (Uniform01({2, 3, size, size}, 0) - 0.5).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor logits = model_->Forward(input);
  const at::Tensor expected =
      at::tensor(at::ArrayRef<double>(GetParam().logits)).view({2, GetParam().classes});
  const double scale = expected.abs().max().item<double>();
  EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-4 * scale) << logits;
}

INSTANTIATE_TEST_SUITE_P(Networks, GoldenLogitsTest, testing::ValuesIn(kGoldenLogits),
                         [](const auto& info) { return info.param.network; });

}  // namespace
}  // namespace skytrain::training
