// Parameter counts, activation sizes and arithmetic from shapes alone.
#include "server/spec/shapes.h"

#include "server/spec/check.h"

namespace skytrain::spec {
namespace {

// Walks a network layer by layer, adding up parameters and outputs.
class Walk {
 public:
  explicit Walk(int size) : side_(size) {}

  // A convolution without bias and its BatchNorm (weight and bias). Returns the channels out.
  int64_t Conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool moves = true) {
    return Grouped(in, out, kernel, stride, 1, moves);
  }
  int64_t Depthwise(int64_t channels, int64_t kernel, int64_t stride) {
    return Grouped(channels, channels, kernel, stride, channels, true);
  }
  // A convolution with bias, its stride as large as its kernel, and its output.
  void Patches(int64_t in, int64_t out, int64_t kernel) {
    side_ /= kernel;
    Add(in * out * kernel * kernel + out, out * positions(),
        2.0 * in * out * kernel * kernel * positions());
  }
  void Pool() { side_ = (side_ + 1) / 2; }
  void Linear(int64_t in, int64_t out) { LinearAt(1, in, out); }
  // A linear layer at each of `places`.
  void LinearAt(int64_t places, int64_t in, int64_t out) {
    Add(in * out + out, places * out, 2.0 * in * out * places);
  }
  void Add(int64_t parameters, int64_t activations, double flops) {
    total_.parameters += parameters;
    total_.activations += activations;
    total_.flops += flops;
  }
  int64_t positions() const { return side_ * side_; }
  const Shapes& total() const { return total_; }

 private:
  int64_t Grouped(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups,
                  bool moves) {
    const int64_t side = (side_ + stride - 1) / stride;
    const int64_t weights = in / groups * out * kernel * kernel;
    // Its own output and that of BatchNorm are both kept for the backward pass.
    Add(weights + 2 * out, 2 * out * side * side, 2.0 * weights * side * side);
    if (moves) side_ = side;
    return out;
  }

  int64_t side_;
  Shapes total_;
};

// torchvision's resnet18, 34 (BasicBlock), 50 and 101 (Bottleneck).
Shapes ResnetShapes(const ModelPlan& model, int classes, int size) {
  static constexpr int kBlocks18[] = {2, 2, 2, 2}, kBlocks34[] = {3, 4, 6, 3};
  static constexpr int kBlocks101[] = {3, 4, 23, 3};
  const int* blocks = model.depth == 18 ? kBlocks18 : model.depth == 101 ? kBlocks101 : kBlocks34;
  const bool bottleneck = model.depth >= 50;
  const int64_t expansion = bottleneck ? 4 : 1;
  Walk walk(size);
  int64_t channels = model.channels;
  if (model.stem == ModelPlan::Stem::kCifar) {
    walk.Conv(3, channels, 3, 1);
  } else {
    walk.Conv(3, channels, 7, 2);
    walk.Pool();
  }
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t planes = int64_t{model.channels} << stage;
    for (int block = 0; block < blocks[stage]; ++block) {
      const int64_t stride = block == 0 && stage > 0 ? 2 : 1;
      const int64_t out = planes * expansion;
      if (stride != 1 || channels != out) walk.Conv(channels, out, 1, stride, /*moves=*/false);
      if (bottleneck) {
        walk.Conv(channels, planes, 1, 1);
        walk.Conv(planes, planes, 3, stride);
        channels = walk.Conv(planes, out, 1, 1);
      } else {
        walk.Conv(channels, planes, 3, stride);
        channels = walk.Conv(planes, planes, 3, 1);
      }
    }
  }
  walk.Linear(channels, classes);
  return walk.total();
}

// Widths w, 2w, 4w, 8w, each convolution followed by BatchNorm, ReLU and 2x2 pooling.
Shapes SmallCnnShapes(int width, int classes, int size) {
  Walk walk(size);
  int64_t channels = 3;
  for (int layer = 0; layer < 4; ++layer) {
    channels = walk.Conv(channels, int64_t{width} << layer, 3, 1);
    walk.Pool();
  }
  walk.Linear(channels, classes);
  return walk.total();
}

Shapes WideResnetShapes(const ModelPlan& model, int classes, int size) {
  Walk walk(size);
  walk.Add(3 * 16 * 9, 16 * walk.positions(), 2.0 * 3 * 16 * 9 * walk.positions());
  int64_t channels = 16;
  for (int stage = 0; stage < 3; ++stage) {
    const int64_t out = (int64_t{16} << stage) * model.widen;
    for (int block = 0; block < (model.depth - 4) / 6; ++block) {
      const int64_t stride = block == 0 && stage > 0 ? 2 : 1;
      // The norm comes before each convolution: one of `channels`, one of `out`.
      walk.Add(2 * channels - 2 * out, 0, 0);
      walk.Conv(channels, out, 3, stride);
      walk.Conv(out, out, 3, 1);
      if (channels != out) {
        walk.Add(channels * out, out * walk.positions(), 2.0 * channels * out * walk.positions());
      }
      channels = out;
    }
  }
  walk.Add(2 * channels, channels * walk.positions(), 0);
  walk.Linear(channels, classes);
  return walk.total();
}

Shapes ConvnextShapes(const ModelPlan& model, int classes, int size) {
  static constexpr int kNano[] = {2, 2, 8, 2}, kTiny[] = {3, 3, 9, 3};
  const bool nano = model.convnext == ModelPlan::Convnext::kNano;
  int64_t channels = nano ? 80 : 96;
  Walk walk(size);
  const auto norm = [&walk](int64_t width, int64_t places) {
    walk.Add(2 * width, width * places, 0);
  };
  walk.Patches(3, channels, 4);
  norm(channels, walk.positions());
  for (int stage = 0; stage < 4; ++stage) {
    if (stage > 0) {
      norm(channels, walk.positions());
      walk.Patches(channels, 2 * channels, 2);
      channels *= 2;
    }
    for (int block = 0; block < (nano ? kNano : kTiny)[stage]; ++block) {
      const int64_t places = walk.positions();
      walk.Add(channels * (49 + 1), channels * places, 2.0 * channels * 49 * places);
      norm(channels, places);
      walk.LinearAt(places, channels, 4 * channels);
      walk.Add(0, 4 * channels * places, 0);  // GELU.
      walk.LinearAt(places, 4 * channels, channels);
      walk.Add(channels, channels * places, 0);  // Scale.
    }
  }
  norm(channels, 1);
  walk.Linear(channels, classes);
  return walk.total();
}

// Expansion, kernel, stride, channels and blocks of the paper's table 1.
Shapes EfficientnetShapes(int classes, int size) {
  static constexpr int kGroups[][5] = {{1, 3, 1, 16, 1}, {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},
                                       {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4},
                                       {6, 3, 1, 320, 1}};
  Walk walk(size);
  int64_t channels = walk.Conv(3, 32, 3, 2);
  for (const auto& [expand, kernel, stride, out, blocks] : kGroups) {
    for (int block = 0; block < blocks; ++block) {
      const int64_t wide = channels * expand;
      if (expand != 1) walk.Conv(channels, wide, 1, 1);
      walk.Depthwise(wide, kernel, block == 0 ? stride : 1);
      walk.Linear(wide, channels / 4);  // Squeeze and excitation.
      walk.Linear(channels / 4, wide);
      walk.Add(0, 2 * wide * walk.positions(), 0);
      channels = walk.Conv(wide, out, 1, 1);
    }
  }
  channels = walk.Conv(channels, 4 * channels, 1, 1);
  walk.Linear(channels, classes);
  return walk.total();
}

Shapes VitShapes(const ModelPlan& model, int classes, int size) {
  static constexpr int64_t kWidth = 384, kHeads = 6, kLayers = 12;
  Walk walk(size);
  walk.Patches(3, kWidth, model.patch);
  const int64_t tokens = walk.positions() + 1;
  walk.Add(kWidth + tokens * kWidth, tokens * kWidth, 0);  // Class token and positions.
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    walk.Add(2 * 2 * kWidth, 2 * tokens * kWidth, 0);  // Norms.
    walk.LinearAt(tokens, kWidth, 3 * kWidth);
    walk.Add(0, kHeads * tokens * tokens, 2.0 * 2.0 * tokens * tokens * kWidth);
    walk.LinearAt(tokens, kWidth, kWidth);
    walk.LinearAt(tokens, kWidth, 4 * kWidth);
    walk.Add(0, 4 * kWidth * tokens, 0);  // GELU.
    walk.LinearAt(tokens, 4 * kWidth, kWidth);
  }
  walk.Add(2 * kWidth, tokens * kWidth, 0);
  walk.Linear(kWidth, classes);
  return walk.total();
}

}  // namespace

Shapes ModelShapes(const ModelPlan& model, int classes, int inputs, int size) {
  switch (model.family) {
    case ModelPlan::Family::kResnet:
      return ResnetShapes(model, classes, size);
    case ModelPlan::Family::kSmallCnn:
      return SmallCnnShapes(model.width, classes, size);
    case ModelPlan::Family::kWideResnet:
      return WideResnetShapes(model, classes, size);
    case ModelPlan::Family::kConvnext:
      return ConvnextShapes(model, classes, size);
    case ModelPlan::Family::kEfficientnet:
      return EfficientnetShapes(classes, size);
    case ModelPlan::Family::kVit:
      return VitShapes(model, classes, size);
    case ModelPlan::Family::kMlp:
      break;
  }
  Walk walk(0);
  int64_t in = size > 0 ? int64_t{3} * size * size : inputs;
  for (const int hidden : model.hidden) {
    walk.Linear(in, hidden);
    in = hidden;
  }
  walk.Linear(in, classes);
  return walk.total();
}

int64_t CountParameters(const ModelPlan& model, int classes, int inputs, int size) {
  return ModelShapes(model, classes, inputs, size).parameters;
}

}  // namespace skytrain::spec
