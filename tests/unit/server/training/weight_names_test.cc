#include "server/training/checkpoint/weight_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

#include "ATen/ATen.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "server/training/models/factory.h"

namespace skytrain::training {
namespace {

using testing::HasSubstr;
using Family = spec::ModelPlan::Family;

// Names and shapes as a list of tests/data/weights has them.
std::vector<TensorShape> Published(const std::string& list) {
  std::ifstream file(absl::StrCat(SKYTRAIN_SOURCE_DIR, "/tests/data/weights/", list, ".txt"));
  std::vector<TensorShape> tensors;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    TensorShape& tensor = tensors.emplace_back();
    tensor.name = parts[0];
    for (const absl::string_view side : absl::StrSplit(parts[1], 'x', absl::SkipEmpty())) {
      EXPECT_TRUE(absl::SimpleAtoi(side, &tensor.shape.emplace_back()));
    }
  }
  return tensors;
}

spec::ModelPlan Plan(Family family, int depth = 18) {
  spec::ModelPlan plan;
  plan.family = family;
  plan.depth = depth;
  return plan;
}

std::vector<WantedTensor> Wanted(const spec::ModelPlan& plan, int size = 224) {
  const auto model = MakeModel(plan, /*classes=*/1, int64_t{3} * size * size, 0);
  std::vector<WantedTensor> wanted;
  for (const NamedTensor& named : (*model)->State()) {
    wanted.push_back(
        {named.name, named.tensor.sizes().vec(),
         named.name == (*model)->Head() + ".weight" || named.name == (*model)->Head() + ".bias",
         !named.tensor.is_floating_point()});
  }
  return wanted;
}

struct Case {
  const char* list;
  spec::ModelPlan plan;
};

TEST(MatchTensors, EveryPublishedTensorFindsItsPlace) {
  spec::ModelPlan nano = Plan(Family::kConvnext);
  nano.convnext = spec::ModelPlan::Convnext::kNano;
  const Case cases[] = {{"torchvision_resnet18", Plan(Family::kResnet)},
                        {"timm_resnet18", Plan(Family::kResnet)},
                        {"torchvision_convnext_tiny", Plan(Family::kConvnext)},
                        {"timm_convnext_tiny", Plan(Family::kConvnext)},
                        {"timm_convnext_nano", nano},
                        {"torchvision_efficientnet_b0", Plan(Family::kEfficientnet)},
                        {"timm_efficientnet_b0", Plan(Family::kEfficientnet)},
                        {"timm_vit_small_patch16_224", Plan(Family::kVit)}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.list);
    const std::vector<TensorShape> found = Published(c.list);
    ASSERT_GT(found.size(), 100u);
    const auto match = MatchTensors(c.plan, Wanted(c.plan), found);
    ASSERT_TRUE(match.ok()) << match.status();
    EXPECT_EQ(std::set<int>(match->begin(), match->end()).size(), found.size());
  }
}

// The order of torchvision's and timm's lists is that of the layers in both.
TEST(MatchTensors, NamesOfTimmAreThoseOfTorchvisionLayerByLayer) {
  for (const auto& [family, name] : std::map<Family, std::string>{
           {Family::kConvnext, "convnext_tiny"}, {Family::kEfficientnet, "efficientnet_b0"}}) {
    std::vector<TensorShape> theirs = Published("timm_" + name);
    std::vector<std::string> renamed, usual;
    for (const TensorShape& tensor : theirs) renamed.push_back(UsualName(family, tensor.name));
    for (const TensorShape& tensor : Published("torchvision_" + name)) usual.push_back(tensor.name);
    EXPECT_THAT(renamed, testing::UnorderedElementsAreArray(usual));
  }
}

TEST(UsualName, SomeOfEachTable) {
  const auto convnext = [](const char* name) { return UsualName(Family::kConvnext, name); };
  EXPECT_EQ(convnext("stages.2.blocks.5.mlp.fc2.bias"), "features.5.5.block.5.bias");
  EXPECT_EQ(convnext("stages.3.downsample.1.weight"), "features.6.1.weight");
  EXPECT_EQ(convnext("stages.0.blocks.1.gamma"), "features.1.1.layer_scale");
  EXPECT_EQ(convnext("downsample_layers.0.1.bias"), "features.0.1.bias");
  EXPECT_EQ(convnext("stages.1.2.pwconv1.weight"), "features.3.2.block.3.weight");
  const auto efficientnet = [](const char* name) { return UsualName(Family::kEfficientnet, name); };
  EXPECT_EQ(efficientnet("blocks.0.0.conv_pw.weight"), "features.1.0.block.2.0.weight");
  EXPECT_EQ(efficientnet("blocks.5.3.bn3.running_mean"), "features.6.3.block.3.1.running_mean");
  EXPECT_EQ(efficientnet("classifier.weight"), "classifier.1.weight");
  EXPECT_EQ(UsualName(Family::kVit, "blocks.11.attn.qkv.bias"),
            "encoder.layers.encoder_layer_11.self_attention.in_proj_bias");
  EXPECT_EQ(UsualName(Family::kVit, "blocks.x.attn.qkv.bias"), "blocks.x.attn.qkv.bias");
  EXPECT_EQ(UsualName(Family::kResnet, "layer1.0.conv1.weight"), "layer1.0.conv1.weight");
}

class Resnet18 : public ::testing::Test {
 protected:
  absl::Status Match() const { return MatchTensors(plan_, wanted_, found_).status(); }
  void Expect(const std::string& text) const {
    const absl::Status status = Match();
    EXPECT_EQ(ReasonOf(status), "INVALID_MODEL") << status;
    ASSERT_FALSE(ViolationsOf(status).empty());
    EXPECT_EQ(ViolationsOf(status)[0].field, "blob");
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }
  TensorShape& Find(const std::string& name) {
    for (TensorShape& tensor : found_) {
      if (tensor.name == name) return tensor;
    }
    ADD_FAILURE() << name;
    return found_[0];
  }

  const spec::ModelPlan plan_ = Plan(Family::kResnet);
  const std::vector<WantedTensor> wanted_ = Wanted(plan_);
  std::vector<TensorShape> found_ = Published("torchvision_resnet18");
};

TEST_F(Resnet18, PrefixThatAllShareIsTakenOff) {
  for (const char* prefix : {"module.", "model.", "encoder.", "module.model.backbone."}) {
    std::vector<TensorShape> found = found_;
    for (TensorShape& tensor : found) tensor.name = prefix + tensor.name;
    EXPECT_TRUE(MatchTensors(plan_, wanted_, found).ok()) << prefix;
  }
  for (TensorShape& tensor : found_) tensor.name = "model." + tensor.name;
  Find("model.fc.bias").name = "fc.bias";
  Expect("is missing");
}

TEST_F(Resnet18, CountersMayBeMissing) {
  std::vector<TensorShape> found;
  for (const TensorShape& tensor : found_) {
    if (tensor.name.find("num_batches_tracked") == std::string::npos) found.push_back(tensor);
  }
  ASSERT_LT(found.size(), found_.size());
  const auto match = MatchTensors(plan_, wanted_, found);
  ASSERT_TRUE(match.ok()) << match.status();
  EXPECT_EQ(std::count(match->begin(), match->end(), -1), 20);
}

TEST_F(Resnet18, MisspeltTensorIsNamedWithWhatIsMeant) {
  Find("layer2.0.conv1.weight").name = "layer2.0.conv_1.weight";
  Expect(
      R"(tensor "layer2.0.conv1.weight" [128, 64, 3, 3] of resnet18 is missing; is "layer2.0.conv_1.weight" meant?)");
  Expect(
      R"("layer2.0.conv_1.weight" [128, 64, 3, 3] belongs to no layer of resnet18; is "layer2.0.conv1.weight" meant?)");
}

TEST_F(Resnet18, OtherShapeIsNamedWithBoth) {
  Find("conv1.weight").shape = {64, 3, 3, 3};
  Find("fc.bias").shape = {};
  Expect(R"(tensor "conv1.weight" is [64, 3, 3, 3], that of resnet18 is [64, 3, 7, 7])");
  Expect(R"(tensor "fc.bias" is [], that of resnet18 is [outputs])");
}

TEST_F(Resnet18, NetworkWithoutLastLayerIsToldHowToGetOne) {
  std::erase_if(found_, [](const TensorShape& t) { return t.name.starts_with("fc."); });
  Expect(
      R"(it has no last layer. Give it one in Python, for K classes, which fine-tuning then replaces: tensors["fc.weight"] = torch.zeros(K, 512), tensors["fc.bias"] = torch.zeros(K))");
}

TEST_F(Resnet18, OfAnotherNetworkTheFirstFewAreNamed) {
  found_ = Published("timm_vit_small_patch16_224");
  const absl::Status status = Match();
  EXPECT_EQ(ViolationsOf(status).size(), 6u) << status;
  Expect("tensors more. Is it a file for resnet18?");
}

TEST_F(Resnet18, TwoNamesOfOneTensorAreRefused) {
  found_ = Published("timm_convnext_tiny");
  found_.push_back({"features.0.0.bias", {96}});
  const spec::ModelPlan plan = Plan(Family::kConvnext);
  const absl::Status status = MatchTensors(plan, Wanted(plan), found_).status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(R"(tensors "stem.0.bias" and "features.0.0.bias" are both)"));
}

TEST(MatchTensors, PositionsOfAnotherSizeSayWhichItIs) {
  const spec::ModelPlan plan = Plan(Family::kVit);
  const absl::Status status =
      MatchTensors(plan, Wanted(plan, 96), Published("timm_vit_small_patch16_224")).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("are for images of 224 pixels"));
}

TEST(MatchTensors, LinearModelKeepsItsOnlyName) {
  const spec::ModelPlan plan = Plan(Family::kMlp);
  const std::vector<TensorShape> found = {{"0.weight", {3, 192}}, {"0.bias", {3}}};
  EXPECT_TRUE(MatchTensors(plan, Wanted(plan, 8), found).ok());
  EXPECT_FALSE(MatchTensors(plan, Wanted(plan, 8), {}).ok());
}

}  // namespace
}  // namespace skytrain::training
