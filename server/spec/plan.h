#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace skytrain::spec {

// An experiment with every default filled in and every value checked: what the training engine
// works from. Plain data: no protobuf, no LibTorch. The proto's comments hold the meaning of each
// field.

struct ModelPlan {
  enum class Family { kResnet, kSmallCnn, kMlp, kWideResnet, kConvnext, kEfficientnet, kVit };
  enum class Stem { kImagenet, kCifar };
  enum class Activation { kRelu, kTanh, kGelu };
  enum class Convnext { kNano, kTiny };
  Family family = Family::kResnet;
  int depth = 18;               // kResnet, kWideResnet
  Stem stem = Stem::kImagenet;  // kResnet
  int channels = 64;            // kResnet: of the first stage.
  int width = 32;               // kSmallCnn
  std::vector<int> hidden;      // kMlp
  Activation activation = Activation::kRelu;
  int widen = 4;                        // kWideResnet
  Convnext convnext = Convnext::kTiny;  // kConvnext
  int patch = 16;                       // kVit
  double dropout = 0.0;
  double stochastic_depth = 0.0;  // kConvnext, kEfficientnet
  // As torchvision calls it where it has the family: "resnet18", "convnext_tiny",
  // "efficientnet_b0", "vit_small_16", "wide_resnet28_4", "small_cnn", "mlp".
  std::string Name() const;
};

struct ViewPlan {
  enum class Normalize { kDataset, kImagenet, kNone };
  double center_crop = 1.0;
  int size = 0;  // 0: a table.
  Normalize normalize = Normalize::kDataset;
};

struct AugmentPlan {
  bool rotate90 = false;
  bool flip = false;
  double rotate_degrees = 0.0;
  double scale_low = 1.0, scale_high = 1.0;
  double translate = 0.0;
  double brightness = 0.0, contrast = 0.0, saturation = 0.0;
  double greyscale = 0.0;
  double noise = 0.0;
  double cutout = 0.0;
  std::vector<std::pair<std::string, std::string>> flip_swaps_classes = {};
};

struct OptimizerPlan {
  enum class Kind { kSgd, kAdam, kAdamW };
  Kind kind = Kind::kAdamW;
  double lr = 1e-3;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.01;
};

struct SchedulePlan {
  enum class Kind { kConstant, kCosine, kOneCycle };
  Kind kind = Kind::kConstant;
  double warmup_epochs = 0.0;
  double min_lr = 0.0;
};

struct TrainingPlan {
  std::string name;
  std::string target;  // Of a table.
  ModelPlan model;
  ViewPlan view;
  AugmentPlan augment;
  OptimizerPlan optimizer;
  SchedulePlan schedule;
  int epochs = 1;
  int batch_size = 128;
  uint64_t seed = 0;
  bool deterministic = false;
  bool balanced_class_weights = false;
  std::string select_metric = "val/accuracy";
  bool select_max = true;
  int checkpoint_every_epochs = 1;
  int checkpoint_every_steps = 0;
  int checkpoint_keep = 2;
  double clip_grad_norm = 0.0;
  int gpus = 0;
  int cpus = 2;
};

}  // namespace skytrain::spec
