#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "golden_logits.h"
#include "gtest/gtest.h"
#include "server/spec/check.h"
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
  spec::ModelPlan mlp = Plan(Family::kMlp);
  mlp.hidden = {7, 5};
  for (const spec::ModelPlan& plan :
       {Plan(Family::kResnet, 18), Plan(Family::kResnet, 34), Plan(Family::kResnet, 50),
        Plan(Family::kSmallCnn), mlp, Plan(Family::kMlp)}) {
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

TEST(ModelsTest, EveryFamilyGivesOneLogitAClass) {
  const at::NoGradGuard no_grad;
  for (const Family family : {Family::kResnet, Family::kSmallCnn, Family::kMlp}) {
    const auto model = Make(Plan(family), 4);
    model->Prepare(c10::Device(c10::kCPU));
    const at::Tensor logits = model->Forward(at::zeros({2, 3, 32, 32}));
    EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{2, 4})) << Plan(family).Name();
  }
}

// Entry i of tensor t, in [0, 1): the same integers in make_golden_logits.py.
at::Tensor Uniform(at::IntArrayRef shape, uint32_t t) {
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

// Weights by formula, so that only torchvision's logits need to be stored.
TEST(ModelsTest, LogitsAreTorchvisions) {
  const at::NoGradGuard no_grad;
  for (const GoldenLogits& golden : kGoldenLogits) {
    const auto model = Make(Plan(Family::kResnet, golden.depth), golden.classes);
    model->Prepare(c10::Device(c10::kCPU));
    model->SetTraining(false);
    uint32_t t = 0;
    std::map<std::string, at::Tensor> state;  // By name: the order of both sides.
    for (const NamedTensor& named : model->State()) state[named.name] = named.tensor;
    for (auto& [name, tensor] : state) {
      ++t;
      if (!tensor.is_floating_point()) continue;
      const at::Tensor uniform = Uniform(tensor.sizes(), t);
      if (tensor.dim() > 1) {
        const double fan_in = static_cast<double>(tensor.numel() / tensor.size(0));
        tensor.copy_((uniform - 0.5) * (2.0 * std::sqrt(6.0 / fan_in)));
      } else {
        tensor.copy_(uniform + 0.5);
      }
    }
    const at::Tensor logits = model->Forward(Uniform({2, 3, 32, 32}, 0) - 0.5);
    const at::Tensor expected =
        at::tensor(at::ArrayRef<double>(golden.logits)).view({2, golden.classes});
    const double scale = expected.abs().max().item<double>();
    EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-4 * scale)
        << "resnet" << golden.depth << ": " << logits;
  }
}

}  // namespace
}  // namespace skytrain::training
