#include <gtest/gtest.h>

#include "server/spec/check.h"
#include "server/spec/shapes.h"

namespace skytrain::spec {
namespace {

ModelPlan Resnet(int depth) {
  ModelPlan model;
  model.depth = depth;
  return model;
}

// As sum(p.numel() for p in model.parameters()) of torchvision says.
TEST(CountParameters, AgreesWithTorchvision) {
  EXPECT_EQ(CountParameters(Resnet(18), 5, 0, 64), 11179077);
  EXPECT_EQ(CountParameters(Resnet(18), 1000, 0, 224), 11689512);
  EXPECT_EQ(CountParameters(Resnet(34), 1000, 0, 224), 21797672);
  EXPECT_EQ(CountParameters(Resnet(50), 1000, 0, 224), 25557032);
  EXPECT_EQ(CountParameters(Resnet(101), 1000, 0, 224), 44549160);
}

// The multiply-adds that torchvision's documentation names, each counted as two.
TEST(ModelShapes, ArithmeticAgreesWithTorchvision) {
  EXPECT_NEAR(ModelShapes(Resnet(18), 1000, 0, 224).flops, 2 * 1.81e9, 0.02e9);
  EXPECT_NEAR(ModelShapes(Resnet(34), 1000, 0, 224).flops, 2 * 3.66e9, 0.03e9);
  EXPECT_NEAR(ModelShapes(Resnet(50), 1000, 0, 224).flops, 2 * 4.09e9, 0.04e9);
  EXPECT_NEAR(ModelShapes(Resnet(101), 1000, 0, 224).flops, 2 * 7.80e9, 0.08e9);
  ModelPlan mlp;
  mlp.family = ModelPlan::Family::kMlp;
  mlp.hidden = {64};
  EXPECT_EQ(ModelShapes(mlp, 3, 4, 0).flops, 2.0 * (4 * 64 + 64 * 3));
}

ModelPlan Of(ModelPlan::Family family) {
  ModelPlan model;
  model.family = family;
  return model;
}

// As sum(p.numel() for p in model.parameters()) and torchvision's table of GFLOPS say.
TEST(ModelShapes, OfTheNewerFamiliesAgreeWithTorchvision) {
  const Shapes convnext = ModelShapes(Of(ModelPlan::Family::kConvnext), 1000, 0, 224);
  EXPECT_EQ(convnext.parameters, 28589128);
  EXPECT_NEAR(convnext.flops, 2 * 4.456e9, 0.02e9);
  const Shapes efficientnet = ModelShapes(Of(ModelPlan::Family::kEfficientnet), 1000, 0, 224);
  EXPECT_EQ(efficientnet.parameters, 5288548);
  EXPECT_NEAR(efficientnet.flops, 2 * 0.386e9, 0.01e9);
}

// Table 1 and section 3 of arXiv:1605.07146: WRN-28-10 has 36.5 M parameters and 5.2 G
// multiply-adds.
TEST(ModelShapes, OfAWideResnetAgreesWithItsPaper) {
  ModelPlan wide = Of(ModelPlan::Family::kWideResnet);
  wide.depth = 28;
  wide.widen = 10;
  const Shapes shapes = ModelShapes(wide, 10, 0, 32);
  EXPECT_NEAR(static_cast<double>(shapes.parameters), 36.5e6, 0.05e6);
  EXPECT_NEAR(shapes.flops, 2 * 5.2e9, 0.2e9);
}

// timm's vit_small_patch16_224: 22.05 M parameters, 4.6 G multiply-adds.
TEST(ModelShapes, OfASmallVitAgreesWithTimm) {
  const Shapes shapes = ModelShapes(Of(ModelPlan::Family::kVit), 1000, 0, 224);
  EXPECT_EQ(shapes.parameters, 22050664);
  EXPECT_NEAR(shapes.flops, 2 * 4.6e9, 0.1e9);
}

TEST(CountParameters, OfResnetsDoesNotDependOnTheImage) {
  EXPECT_EQ(CountParameters(Resnet(50), 3, 0, 32), CountParameters(Resnet(50), 3, 0, 512));
}

// A 3x3 stem of stride 1 keeps 16 times as many positions as 7x7 of stride 2 and pooling do.
TEST(ModelShapes, CifarStemIsSmallerAndCostsMore) {
  ModelPlan cifar = Resnet(18);
  cifar.stem = ModelPlan::Stem::kCifar;
  EXPECT_EQ(CountParameters(Resnet(18), 5, 0, 32) - CountParameters(cifar, 5, 0, 32),
            3 * 64 * (7 * 7 - 3 * 3));
  EXPECT_NEAR(ModelShapes(cifar, 10, 0, 32).flops, 2 * 0.556e9, 0.01e9);  // As for CIFAR-10.
}

TEST(CountParameters, OfResnetsGrowsWithTheSquareOfTheWidth) {
  ModelPlan narrow = Resnet(18), wide = Resnet(18);
  narrow.channels = 32;
  const double ratio = static_cast<double>(CountParameters(wide, 5, 0, 64)) /
                       static_cast<double>(CountParameters(narrow, 5, 0, 64));
  EXPECT_NEAR(ratio, 4.0, 0.02);
}

TEST(CountParameters, OfAnMlpOnATable) {
  ModelPlan mlp;
  mlp.family = ModelPlan::Family::kMlp;
  EXPECT_EQ(CountParameters(mlp, 3, 4, 0), 4 * 3 + 3);  // Linear.
  mlp.hidden = {64, 64};
  EXPECT_EQ(CountParameters(mlp, 3, 4, 0), 4 * 64 + 64 + 64 * 64 + 64 + 64 * 3 + 3);
}

TEST(CountParameters, OfAnMlpOnImagesCountsThreeChannels) {
  ModelPlan mlp;
  mlp.family = ModelPlan::Family::kMlp;
  EXPECT_EQ(CountParameters(mlp, 2, 0, 8), 3 * 8 * 8 * 2 + 2);
}

TEST(CountParameters, OfTheSmallCnn) {
  ModelPlan cnn;
  cnn.family = ModelPlan::Family::kSmallCnn;
  cnn.width = 8;
  int64_t expected = 64 * 3 + 3, in = 3;
  for (const int64_t out : {8, 16, 32, 64}) {
    expected += 9 * in * out + 2 * out;
    in = out;
  }
  EXPECT_EQ(CountParameters(cnn, 3, 0, 64), expected);
}

}  // namespace
}  // namespace skytrain::spec
