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
    total_.parameters += in * out * kernel * kernel + 2 * out;
    const int64_t side = (side_ + stride - 1) / stride;
    // Its own output and that of BatchNorm are both kept for the backward pass.
    total_.activations += 2 * out * side * side;
    total_.flops += 2.0 * in * out * kernel * kernel * side * side;
    if (moves) side_ = side;
    return out;
  }
  void Pool() { side_ = (side_ + 1) / 2; }
  void Linear(int64_t in, int64_t out) {
    total_.parameters += in * out + out;
    total_.activations += out;
    total_.flops += 2.0 * in * out;
  }
  const Shapes& total() const { return total_; }

 private:
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

}  // namespace

Shapes ModelShapes(const ModelPlan& model, int classes, int inputs, int size) {
  switch (model.family) {
    case ModelPlan::Family::kResnet:
      return ResnetShapes(model, classes, size);
    case ModelPlan::Family::kSmallCnn:
      return SmallCnnShapes(model.width, classes, size);
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
