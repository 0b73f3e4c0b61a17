#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skytrain::spec {

// An experiment with every default filled in and every value checked: what the training engine
// works from. Plain data: no protobuf, no LibTorch. The proto's comments hold the meaning of each
// field.

struct ModelPlan {
  enum class Family { kResnet, kSmallCnn, kMlp };
  enum class Activation { kRelu, kTanh, kGelu };
  Family family = Family::kResnet;
  int depth = 18;           // kResnet
  int width = 32;           // kSmallCnn
  std::vector<int> hidden;  // kMlp
  Activation activation = Activation::kRelu;
  std::string Name() const;  // "resnet18", "small_cnn", "mlp"
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
